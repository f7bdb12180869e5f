"""Kills something every second or two."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

from tests.chaos.service import Service, Victim
from tests.support import eventually

# Dealt like cards, so that a short run has all of them. After the latter two it takes seconds until
# anything is sent again, so there are fewer of them.
_PACK = (*[Victim.DISPATCHER] * 6, Victim.API, Victim.EVERYTHING)
_PAUSE_SECONDS = (0.2, 0.9)
# A process that is still starting can be killed as well; but to lose something in flight is harder.
_IN_FLIGHT = 0.8
_LONGEST_WAIT_SECONDS = 1.0
_LAST_MOMENT_SECONDS = 0.05


class Killer:
    """`in_flight` says how many requests wait for the ESP's answer."""

    def __init__(self, service: Service, in_flight: Callable[[], int], chance: random.Random):
        self._service = service
        self._in_flight = in_flight
        self._chance = chance
        self._one_at_a_time = asyncio.Lock()
        self.kills: Counter[Victim] = Counter()

    async def run(self, seconds: float) -> None:
        """Kills at random for so long; most of the time while requests are in flight."""
        victims = self._dealt()
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            await asyncio.sleep(self._chance.uniform(*_PAUSE_SECONDS))
            if self._chance.random() < _IN_FLIGHT:
                await self._something_flies()
            await self.kill(next(victims))

    async def kill(self, victim: Victim) -> None:
        async with self._one_at_a_time:
            if await self._service.kill(victim, self._chance):
                self.kills[victim] += 1

    def _dealt(self) -> Iterator[Victim]:
        while True:
            yield from self._chance.sample(_PACK, len(_PACK))

    async def _something_flies(self) -> None:
        with suppress(AssertionError):
            await eventually(self._in_flight, _LONGEST_WAIT_SECONDS)
        await asyncio.sleep(self._chance.uniform(0, _LAST_MOMENT_SECONDS))
