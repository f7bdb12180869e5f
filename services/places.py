"""How many requests may be in flight to one provider."""

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import NamedTuple


class _Waiting(NamedTuple):
    turn: asyncio.Future[int]
    most: int


@dataclass(slots=True)
class _Line:
    """`own` is as many places as there are, `taken` those that somebody has or was given."""

    own: int = 1
    taken: int = 0
    waiting: deque[_Waiting] = field(default_factory=deque)
    """Whoever was here longer stands further to the left."""
    ahead: deque[_Waiting] = field(default_factory=deque)
    """Those who go before all the others."""

    def serve(self) -> None:
        """Gives places to whoever waits; nobody can come in between."""
        while self.taken < self.own and (self.ahead or self.waiting):
            turn, most = (self.ahead or self.waiting).popleft()
            if not turn.done():
                count = min(most, self.own - self.taken)
                self.taken += count
                turn.set_result(count)


class Places:
    """The places of one process: its share of each provider's limit, over all its chunks.

    `processes` is how many dispatchers share the limits. Where they cannot be shared evenly the
    shares are a little too large: whoever makes the intents durable refuses what is too much.
    """

    def __init__(self, *, processes: int = 1) -> None:
        self._processes = processes
        self._lines: dict[int, _Line] = defaultdict(_Line)

    async def take(self, provider_id: int, limit: int, *, most: int, first: bool = False) -> int:
        """Waits for places among `limit` of all processes; how many of `most` were free.

        First come, first served, after those who want to be `first`. The limit holds from now on,
        also for those who wait already.
        """
        line = self._lines[provider_id]
        line.own = -(-limit // self._processes)
        waiting = _Waiting(asyncio.get_running_loop().create_future(), most)
        (line.ahead if first else line.waiting).append(waiting)
        line.serve()
        try:
            return await waiting.turn
        except asyncio.CancelledError:
            # Its turn may have come in this very step of the loop.
            if not waiting.turn.cancelled():
                self.give_back(provider_id, waiting.turn.result())
            raise

    def give_back(self, provider_id: int, count: int) -> None:
        if count:
            line = self._lines[provider_id]
            line.taken -= count
            line.serve()
