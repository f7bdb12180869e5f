"""A million events at once, while a campaign is sent and callback processes are killed.

An ESP posts 10,000 callbacks of 100 events over 64 connections, each until it is answered 200; two
processes answer, and three times in the burst one of them is killed (SIGKILL). Meanwhile a campaign
of 100,000 goes out, one message a request. Afterwards StreamEvents is read from the start, and
every event must be there, once. Peak memory is VmHWM, so this needs Linux.
Run it with `python -m tests.benchmarks.burst`.
"""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc.aio
import orjson

from espalier.v1 import common_pb2, event_pb2, event_pb2_grpc
from tests.benchmarks import verdict
from tests.benchmarks.callbacks import is_folded, lag
from tests.benchmarks.sinks import peak_mib, sink
from tests.benchmarks.streaming import end_of_log
from tests.e2e.api import Api, api_at
from tests.e2e.firing import Fire
from tests.e2e.serving import Served, environment, serving
from tests.support import eventually

MESSAGES, EVENTS_EACH, IN_REQUEST = 100_000, 10, 100
EVENTS = MESSAGES * EVENTS_EACH
CAMPAIGN = 100_000
# The peak at the end, over that after a tenth of the events.
MOST_GROWTH = 1.25
_FIRST = 1_750_000_000
_LONGEST = 1200
_SENT = common_pb2.EVENT_TYPE_NOTIFICATION_SENT


def requests(metas: Sequence[str]) -> Iterator[bytes]:
    """Each message is delivered, then clicked, nearly in the order of sending."""
    chance = random.Random(3)
    for n in range(EVENTS_EACH):
        kind = "clicked" if n else "delivered"
        for first in range(0, len(metas), IN_REQUEST):
            some = list(metas[first : first + IN_REQUEST])
            chance.shuffle(some)
            events = [
                {"type": kind, "email": "p@example.com", "meta": meta, "timestamp": _FIRST + n}
                for meta in some
            ]
            yield orjson.dumps({"version": "v2", "events": {"success": events}})


async def sent_ids(address: str, campaign_id: str) -> list[str]:
    """The message ids of a campaign that was sent."""
    where = event_pb2.EventFilter(campaign_id=campaign_id, types=[_SENT])
    found: list[str] = []
    async with grpc.aio.insecure_channel(address) as channel:
        stub = event_pb2_grpc.EventServiceStub(channel)
        async for response in stub.StreamEvents(event_pb2.StreamEventsRequest(filter=where)):
            found += (event.message_id for event in response.events)
            if len(found) >= MESSAGES:
                return found
    raise SystemExit("the stream of events ended")


async def check(address: str, metas: Sequence[str]) -> tuple[int, int]:
    """How many events are missing, and how many are there twice."""
    places = {meta: place for place, meta in enumerate(metas)}
    times = bytearray(EVENTS)
    end = await end_of_log(address)
    async with grpc.aio.insecure_channel(address) as channel:
        stub = event_pb2_grpc.EventServiceStub(channel)
        async for response in stub.StreamEvents(event_pb2.StreamEventsRequest(max_batch=1000)):
            for event in response.events:
                if event.callback_type:
                    n = event.occur_time.seconds - _FIRST
                    times[places[event.message_id] * EVENTS_EACH + n] += 1
            if int(response.next_cursor.partition(".")[0]) >= end:
                break
    return times.count(0), sum(1 for count in times if count > 1)


@dataclass
class Burst:
    """What came of one."""

    seconds: float = 0.0
    after_a_tenth_mib: float = 0.0
    peak_mib: float = 0.0
    largest_lag: int = 0
    fire: Fire = field(default_factory=lambda: Fire("", ()))

    async def run(self, served: Served, url: str, metas: Sequence[str]) -> None:
        self.fire = Fire(url, requests(metas), connections=64)
        started = time.perf_counter()
        firing = asyncio.create_task(self.fire.run())
        total = EVENTS // IN_REQUEST
        for tenth in range(1, 11):
            await eventually(partial(self.fire.has, total * tenth // 10), _LONGEST)
            self._look(served, is_first=tenth == 1)
            if tenth in (3, 5, 7):
                os.kill(served.receivers()[0], signal.SIGKILL)
        await firing
        self.seconds = time.perf_counter() - started
        self.largest_lag = await lag(served)

    def _look(self, served: Served, *, is_first: bool) -> None:
        # Of the service's first process as well: it folds what they take in.
        peak = max(map(peak_mib, (served.process.pid, *served.receivers())))
        self.peak_mib = max(self.peak_mib, peak)
        if is_first:
            self.after_a_tenth_mib = peak


async def measure(folder: Path) -> bool:
    environ = environment(
        folder / "data", ESPALIER_CALLBACK_PROCESSES="2", ESPALIER_LOG_LEVEL="error"
    )
    (folder / "data").mkdir()
    with sink(folder, tls=False) as target:
        async with serving(environ) as served, api_at(served.grpc_address) as api:
            return await fire_at(served, api, target.url)


async def fire_at(served: Served, api: Api, sink_url: str) -> bool:
    provider = await api.configure(sink_url, batch=1000)
    first = await api.send("first", MESSAGES)
    await eventually(lambda: api.has_ended(first), _LONGEST)
    metas = await sent_ids(served.grpc_address, first)
    await api.configure(sink_url, nickname="single")
    began = time.perf_counter()
    second = await api.send("second", CAMPAIGN, provider="single")
    burst = Burst()
    await burst.run(served, provider.callback_url, metas)
    await eventually(lambda: api.has_ended(second), _LONGEST)
    took = time.perf_counter() - began
    await eventually(partial(is_folded, served), _LONGEST)
    behind = time.perf_counter() - began - burst.seconds
    missing, twice = await check(served.grpc_address, metas)
    counts = await api.counts(first), await api.counts(second)
    return tell(burst, missing, twice, counts, took, behind)


def tell(
    burst: Burst,
    missing: int,
    twice: int,
    counts: tuple[dict[str, int], dict[str, int]],
    took: float,
    behind: float,
) -> bool:
    kept = (missing, twice) == (0, 0)
    counted = counts == ({"clicked": MESSAGES}, {"accepted": CAMPAIGN})
    growth = burst.peak_mib / burst.after_a_tenth_mib
    flat = growth <= MOST_GROWTH
    statuses = ", ".join(f"{n:,} of {status}" for status, n in sorted(burst.fire.statuses.items()))
    print(
        f"burst of {EVENTS:,} events, 3 callback processes killed: {EVENTS / burst.seconds:,.0f} "
        f"events/s acknowledged; answers: {statuses}, none to {burst.fire.broken:,}; {missing:,} "
        f"lost, {twice:,} twice {verdict(kept)}"
    )
    print(
        f"burst: the states of messages were {burst.largest_lag:,} events behind at its end and up "
        f"to date {behind:.0f} s later; meanwhile a campaign of {CAMPAIGN:,} took {took:.0f} s; "
        f"counts {'exact' if counted else counts} {verdict(counted)}"
    )
    print(
        f"burst: peak memory of a process {burst.after_a_tenth_mib:.0f} MiB after a tenth, "
        f"{burst.peak_mib:.0f} MiB at the end, ratio {growth:.2f} (at most {MOST_GROWTH}) "
        f"{verdict(flat)}",
        flush=True,
    )
    return kept and counted and flat


def main() -> bool:
    with TemporaryDirectory() as folder:
        return asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
