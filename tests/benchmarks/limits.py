"""How exactly a provider's limits are kept by two dispatcher processes, as its ESP sees it.

A service of its own (`espalier serve` on a fresh SQLite file) sends to an ESP in this process,
which notes what comes when and how much is in flight. In the middle of each campaign
ConfigureProvider changes the limit; from a second later on the new one has to hold. Run it with
`python -m tests.benchmarks.limits`.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import uvloop

from tests.benchmarks import verdict
from tests.e2e.api import Api, api_at
from tests.e2e.serving import environment, serving
from tests.e2e.watched_esp import Arrival, WatchedEsp, watched_esp
from tests.support import eventually

PROCESSES = 2
# What a rate over ten seconds may be off by.
TOLERANCE = 0.05
# Seconds of the first limit, and of the others.
FIRST, NEXT = 10.0, 5.0
# Seconds within which a change has to hold.
SETTLING = 1.0
# Seconds that the ESP takes for a request where those in flight are counted.
SLOW = 0.5
# A new process has loaded all it needs once it has sent something, and both have after so many.
_WARM = 20


class Rate(NamedTuple):
    """A limit of so many a second; `number` says how many an arrival counts for."""

    name: str
    field: str
    limits: Sequence[int]
    messages: int
    number: Callable[[Arrival], int]
    batch: int = 0


class Held(NamedTuple):
    """A limit, and what came of it."""

    limit: int
    measured: float

    @property
    def ratio(self) -> float:
        return self.measured / self.limit


REQUESTS = Rate("requests/s", "max_requests_per_second", (100, 50, 200), 20_000, lambda _: 1)
MESSAGES = Rate(
    "messages/s in batches of 10",
    "max_messages_per_second",
    (2_000, 1_000, 4_000),
    100_000,
    lambda arrival: len(arrival.to),
    batch=10,
)
IN_FLIGHT = (16, 8, 32)


@asynccontextmanager
async def service() -> AsyncIterator[tuple[Api, WatchedEsp]]:
    with TemporaryDirectory() as folder:
        settings = {"ESPALIER_DISPATCHERS": str(PROCESSES), "ESPALIER_LOG_LEVEL": "warning"}
        async with (
            watched_esp() as esp,
            serving(environment(Path(folder), **settings)) as served,
            api_at(served.grpc_address) as api,
        ):
            yield api, esp


async def rate(kind: Rate) -> bool:
    held: list[Held] = []
    async with service() as (api, esp):
        for limit in kind.limits:
            changed: dict[str, Any] = {kind.field: limit}
            await api.configure(esp.url, batch=kind.batch, **changed)
            if not held:
                await api.send("bench", kind.messages)
                await eventually(lambda: len(esp.arrivals) >= _WARM, 60)
            await asyncio.sleep(SETTLING)
            began = time.perf_counter()
            await asyncio.sleep(NEXT if held else FIRST)
            ended = time.perf_counter()
            came = sum(kind.number(each) for each in esp.arrivals if began <= each.at < ended)
            held.append(Held(limit, came / (ended - began)))
    return tell(kind.name, held, met=all(abs(each.ratio - 1) <= TOLERANCE for each in held))


async def in_flight() -> bool:
    held: list[Held] = []
    async with service() as (api, esp):
        esp.delay = SLOW
        for limit in IN_FLIGHT:
            await api.configure(esp.url, max_in_flight=limit)
            if not held:
                await api.send("bench", 20_000)
                await eventually(lambda: len(esp.arrivals) >= _WARM, 60)
            await asyncio.sleep(SETTLING)
            esp.most = 0
            await asyncio.sleep(NEXT if held else FIRST)
            held.append(Held(limit, esp.most))
    met = all(each.limit - 1 <= each.measured <= each.limit for each in held)
    return tell("requests in flight at most", held, met=met)


def tell(name: str, held: Sequence[Held], *, met: bool) -> bool:
    said = ", ".join(f"{each.measured:,.1f} of {each.limit:,} ({each.ratio:.3f})" for each in held)
    print(
        f"limits, {PROCESSES} dispatchers, {name}: {said}, each from {SETTLING:g} s after "
        f"ConfigureProvider on {verdict(met)}",
        flush=True,
    )
    return met


async def measure() -> bool:
    met = [await rate(REQUESTS), await rate(MESSAGES), await in_flight()]
    return all(met)


def main() -> bool:
    """Whether every limit is met."""
    return uvloop.run(measure())


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
