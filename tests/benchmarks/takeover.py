"""How soon the chunks of a dispatcher that was killed are with another one.

Two dispatchers hold chunks whose requests a slow ESP does not answer; one of them is killed. The
campaign's guarantee is AT_LEAST_ONCE, so that what the killed one had posted is posted again: the
figure is the time from the kill until all of the campaign has arrived. Run it with `python -m
tests.benchmarks.takeover`.
"""

import os
import signal
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import uvloop

from espalier.v1 import common_pb2
from tests.benchmarks import verdict
from tests.e2e.api import api_at
from tests.e2e.serving import environment, serving
from tests.e2e.watched_esp import watched_esp
from tests.support import eventually

ROUNDS = 3
# Seconds within which they have to be taken over.
LIMIT = 10.0
# More chunks than one process takes at once, each of them one request.
_CHUNKS, _CHUNK, _IN_FLIGHT = 9, 1000, 4


async def takeover() -> float:
    """Seconds."""
    at_least_once = common_pb2.DELIVERY_GUARANTEE_AT_LEAST_ONCE
    with TemporaryDirectory() as folder:
        async with (
            watched_esp() as esp,
            serving(environment(Path(folder), ESPALIER_DISPATCHERS="2")) as served,
            api_at(served.grpc_address) as api,
        ):
            await api.configure(esp.url, batch=_CHUNK, max_in_flight=_IN_FLIGHT)
            esp.hold()
            number = _CHUNKS * _CHUNK
            campaign_id = await api.send("bench", number, delivery_guarantee=at_least_once)
            await eventually(lambda: esp.in_flight == _IN_FLIGHT, 60)
            os.kill(served.dispatchers()[0], signal.SIGKILL)
            killed = time.perf_counter()
            await eventually(lambda: esp.in_flight < _IN_FLIGHT, 60)
            esp.release()
            await eventually(lambda: api.has_ended(campaign_id), 120)
            if await api.counts(campaign_id) != {"accepted": number}:
                raise SystemExit(f"not everything was accepted: {await api.counts(campaign_id)}")
            return max(arrival.at for arrival in esp.arrivals) - killed


async def measure() -> bool:
    seconds = [await takeover() for _ in range(ROUNDS)]
    met = max(seconds) <= LIMIT
    print(
        f"chunks of a killed dispatcher are taken over and sent after {median(seconds):.1f} s, at "
        f"worst {max(seconds):.1f} s of {ROUNDS} (at most {LIMIT:g}) {verdict(met)}",
        flush=True,
    )
    return met


def main() -> bool:
    """Whether every limit is met."""
    return uvloop.run(measure())


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
