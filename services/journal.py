"""Makes the steps of many runs durable together."""

import asyncio

from domain.errors import TryLater
from services.ports import Recorded, Step, WorkQueue

# How long (seconds) a step waits before a busy or full database is tried again.
_FIRST_WAIT = 0.05
_LONGEST_WAIT = 2.0


class Journal:
    """Groups steps by commit: what comes while one commit runs shares the next, without a timer.

    A commit costs a flush to disk whatever it holds; sixty-four requests in flight cost two flushes
    in this way, not a hundred and twenty-eight.
    """

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue
        self._waiting: list[tuple[Step, asyncio.Future[Recorded]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def record(self, step: Step) -> Recorded:
        """Returns once the step is durable, or why it was not stored.

        A database that is busy or full is waited for: a step that was done is never given up.
        """
        future: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._waiting.append((step, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return await future

    async def _write(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._commit(group)
        finally:
            self._writer = None

    async def _commit(self, group: list[tuple[Step, asyncio.Future[Recorded]]]) -> None:
        try:
            stored = await self._store([step for step, _ in group])
        except BaseException as error:
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), result in zip(group, stored, strict=True):
            if not future.done():
                future.set_result(result)

    async def _store(self, steps: list[Step]) -> list[Recorded]:
        wait = _FIRST_WAIT
        while True:
            try:
                return list(await self._queue.record(steps))
            except TryLater:
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT)
