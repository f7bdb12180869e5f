"""Who waits for the log to grow.

Other processes append as well, and a database tells nobody: it is asked. However many wait, one
task asks for all of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

# Seconds between two looks: at first, since little comes alone, and once it has been quiet.
_SOON = 0.004
_LATE = 0.02
# By how much they grow longer each time.
_SLOWER = 1.2


class LogWatch:
    """`head` looks at the log: it is the position of the last entry."""

    def __init__(self, head: Callable[[], Awaitable[int]]) -> None:
        self._head = head
        self._seen = 0
        self._waiting = 0
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, *, after: int, timeout_seconds: float) -> None:
        """Returns when the log has an entry behind `after`, at latest after that time."""
        self._waiting += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    while self._seen <= after:
                        await asyncio.shield(self._growth())
        finally:
            self._waiting -= 1

    def _growth(self) -> asyncio.Task[None]:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
            # Told to those who wait; where nobody does any more, to nobody.
            self._looking.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._looking

    async def _look(self) -> None:
        """Ends when there is more than was seen before, or nobody left to wait for it."""
        pause = _SOON
        while self._waiting:
            head = await self._head()
            if head > self._seen:
                self._seen = head
                return
            await asyncio.sleep(pause)
            pause = min(pause * _SLOWER, _LATE)
