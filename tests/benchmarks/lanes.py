"""How soon a message to one person leaves while a campaign of a million is under way.

The figure is the time from the call of SendCampaign to its message's arrival at the ESP, which is
in this process: once through the provider that the large campaign goes through (one message a
request, limits as they are by default), once through another one. Run it with `python -m
tests.benchmarks.lanes`.
"""

import asyncio
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import uvloop

from tests.benchmarks import verdict
from tests.e2e.api import Api, api_at
from tests.e2e.serving import environment, serving
from tests.e2e.watched_esp import WatchedEsp, watched_esp
from tests.support import eventually

LARGE = 1_000_000
TIMES = 20
# Seconds within which each of them has to leave.
LIMIT = 1.0
_PAUSE = 0.2


class Finder:
    """Looks at each arrival once."""

    def __init__(self, esp: WatchedEsp) -> None:
        self._esp = esp
        self._seen = len(esp.arrivals)

    def arrived_at(self, email: str) -> float | None:
        before, self._seen = self._seen, len(self._esp.arrivals)
        new = self._esp.arrivals[before : self._seen]
        return next((each.at for each in new if email in each.to), None)


async def one(api: Api, esp: WatchedEsp, name: str, provider: str) -> float:
    """Seconds until the only message of a new campaign is there."""
    finder, called = Finder(esp), time.perf_counter()
    await api.send(name, 1, provider=provider)
    arrived = await eventually(partial(finder.arrived_at, f"{name}-0@example.com"), 60)
    assert arrived is not None
    await asyncio.sleep(_PAUSE)
    return arrived - called


async def measure() -> bool:
    met = True
    with TemporaryDirectory() as folder:
        environ = environment(Path(folder), ESPALIER_LOG_LEVEL="warning")
        # As many as there are by default.
        del environ["ESPALIER_DISPATCHERS"]
        async with (
            watched_esp() as esp,
            serving(environ) as served,
            api_at(served.grpc_address) as api,
        ):
            for nickname in ("acme", "other"):
                await api.configure(esp.url, nickname=nickname)
            large = await api.send("large", LARGE)
            await eventually(lambda: len(esp.arrivals) > 1_000, 60)
            for provider, how in (("acme", "the same provider"), ("other", "another provider")):
                times = [await one(api, esp, f"{provider}{i}", provider) for i in range(TIMES)]
                met = tell(how, times) and met
            if await api.has_ended(large):
                raise SystemExit("the large campaign has ended too early")
    return met


def tell(how: str, seconds: list[float]) -> bool:
    met = max(seconds) <= LIMIT
    print(
        f"a message to one person beside {LARGE:,}, through {how}: after {median(seconds):.2f} s, "
        f"at worst {max(seconds):.2f} s of {len(seconds)} (at most {LIMIT:g}) "
        f"{verdict(met)}",
        flush=True,
    )
    return met


def main() -> bool:
    """Whether every limit is met."""
    return uvloop.run(measure())


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
