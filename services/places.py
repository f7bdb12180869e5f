"""How many requests may be in flight to one provider."""

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Line:
    taken: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Places:
    """The places of one process: its share of each provider's limit, over all its chunks.

    `processes` is how many dispatchers share the limits. Every process has one place at least.
    """

    def __init__(self, *, processes: int = 1) -> None:
        self._processes = processes
        self._lines: dict[int, _Line] = defaultdict(_Line)

    async def take(self, provider_id: int, limit: int, *, most: int) -> int:
        """Waits for places among `limit` of all processes; how many of `most` were free.

        First come, first served.
        """
        line, own = self._lines[provider_id], max(1, limit // self._processes)
        while line.taken >= own or line.waiting:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            line.waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                # The turn may have been given meanwhile; then it is the next one's.
                if turn in line.waiting:
                    line.waiting.remove(turn)
                else:
                    _call_next(line)
                raise
            if line.taken < own:
                break
        count = min(most, own - line.taken)
        line.taken += count
        if line.taken < own:
            _call_next(line)
        return count

    def give_back(self, provider_id: int, count: int) -> None:
        if count:
            line = self._lines[provider_id]
            line.taken -= count
            _call_next(line)


def _call_next(line: _Line) -> None:
    while line.waiting:
        turn = line.waiting.popleft()
        if not turn.done():
            turn.set_result(None)
            return
