"""A burst of callbacks while a campaign is sent, and everything that answers them is killed."""

import asyncio
import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
import orjson

from espalier.v1 import common_pb2, event_pb2, event_pb2_grpc, suppression_pb2
from espalier.v1.suppression_pb2_grpc import SuppressionServiceStub
from tests.benchmarks.sinks import peak_mib
from tests.e2e.api import Api, api_at, people
from tests.e2e.firing import Fire
from tests.e2e.serving import Served, environment, serving
from tests.e2e.watched_esp import watched_esp
from tests.support import eventually

MESSAGES, CLICKS = 1_000, 12
FIRST = 1_750_000_000
SLOW, SLOW_A_SECOND = 150, 50
SENT, CLICKED = common_pb2.EVENT_TYPE_NOTIFICATION_SENT, common_pb2.EVENT_TYPE_NOTIFICATION_CLICKED
Event = dict[str, Any]


def reports(message_ids: Sequence[str], emails: Sequence[str]) -> list[Event]:
    """A dozen clicks of each message, and every tenth bounces: 12,100 events, in no order."""
    events: list[Event] = []
    for i, (meta, email) in enumerate(zip(message_ids, emails, strict=True)):
        common = {"meta": meta, "email": email}
        events += ({**common, "type": "clicked", "timestamp": FIRST + n} for n in range(CLICKS))
        if i % 10 == 0:
            events.append({**common, "type": "hard_bounce", "description": "gone"})
    random.Random(7).shuffle(events)
    return events


def bodies(events: Sequence[Event]) -> Iterator[bytes]:
    """Requests of one to nine of them."""
    at, sizes = 0, random.Random(8)
    while at < len(events):
        some = events[at : at + sizes.randint(1, 9)]
        at += len(some)
        yield orjson.dumps({"version": "v2", "events": {"success": some}})


async def stored(address: str, *, until: int) -> list[event_pb2.Event]:
    """The events of callbacks in the log, from its beginning: at least so many of them."""
    found: list[event_pb2.Event] = []
    async with grpc.aio.insecure_channel(address) as channel:
        stub = event_pb2_grpc.EventServiceStub(channel)
        async for response in stub.StreamEvents(event_pb2.StreamEventsRequest()):
            found += (event for event in response.events if event.callback_type)
            if len(found) >= until:
                break
    return found


async def sent_ids(address: str, campaign_id: str) -> list[str]:
    """The message ids of a campaign that was sent, by recipient."""
    where = event_pb2.EventFilter(campaign_id=campaign_id, types=[SENT])
    request = event_pb2.ListEventsRequest(filter=where, page_size=MESSAGES)
    async with grpc.aio.insecure_channel(address) as channel:
        page = await event_pb2_grpc.EventServiceStub(channel).ListEvents(request)
    return [event.message_id for event in page.events]


async def suppressed(address: str) -> set[str]:
    request = suppression_pb2.ListSuppressionsRequest(page_size=1000)
    async with grpc.aio.insecure_channel(address) as channel:
        page = await SuppressionServiceStub(channel).ListSuppressions(request)
    return {one.email for one in page.suppressions}


async def fold_lag(served: Served) -> int:
    async with aiohttp.ClientSession() as session, session.get(served.url + "/readyz") as answer:
        return int((await answer.json())["fold_lag_events"])


async def two_campaigns(api: Api, url: str) -> tuple[str, str, str]:
    """One that was sent, one that takes seconds, and the callback URL of the first."""
    provider = await api.configure(url, batch=MESSAGES)
    await api.configure(url, nickname="slow", max_requests_per_second=SLOW_A_SECOND)
    first = await api.send("first", MESSAGES)
    await eventually(lambda: api.has_ended(first), 60)
    return first, await api.send("second", SLOW, provider="slow"), provider.callback_url


async def kill_all(served: Served, fire: Fire, requests: int) -> None:
    """One callback process after the other, and then the service, in the middle of the fire."""
    parts = range(1, 4)
    for part, pid in zip(parts, (*served.receivers(), served.process.pid), strict=True):
        enough = requests * part // 5
        await eventually(partial(fire.has, enough), 60)
        os.kill(pid, signal.SIGKILL)
    await served.process.wait()


async def check_events(served: Served, events: Sequence[Event]) -> None:
    """Each of them is there once."""
    # A bounce is two events.
    bounces = MESSAGES // 10
    found = await stored(served.grpc_address, until=len(events) + bounces)
    kept = Counter((e.message_id, e.type, e.occur_time.seconds) for e in found)
    assert max(kept.values()) == 1
    clicks = {(e["meta"], CLICKED, e["timestamp"]) for e in events if "timestamp" in e}
    assert {key for key in kept if key[1] == CLICKED} == clicks
    assert len(kept) == len(clicks) + 2 * bounces


async def check_states(served: Served, api: Api, campaign_id: str) -> None:
    """They are folded, each of them once."""

    async def are_folded() -> bool:
        return await fold_lag(served) == 0

    await eventually(are_folded, 60)
    bounced = MESSAGES // 10
    counts = {"clicked": MESSAGES - bounced, "hard_bounced": bounced}
    assert await api.counts(campaign_id) == counts
    assert await suppressed(served.grpc_address) == set(people("first", MESSAGES)[::10])


async def test_what_was_acknowledged_in_a_burst_is_there_once_whatever_was_killed(
    tmp_path: Path,
) -> None:
    environ = environment(tmp_path, ESPALIER_CALLBACK_PROCESSES="2")
    async with watched_esp() as esp:
        async with serving(environ) as served, api_at(served.grpc_address) as api:
            first, second, url = await two_campaigns(api, esp.url)
            events = reports(await sent_ids(served.grpc_address, first), people("first", MESSAGES))
            requests = list(bodies(events))
            fire = Fire(url, requests)
            firing = asyncio.create_task(fire.run())
            await kill_all(served, fire, len(requests))
        async with serving(environ) as served, api_at(served.grpc_address) as api:
            await firing
            assert (fire.acknowledged, fire.events) == (len(requests), len(events))
            assert fire.broken > 0
            await check_events(served, events)
            await check_states(served, api, first)
            await eventually(lambda: api.has_ended(second), 60)
            counts = await api.counts(second)
    # What was on its way when the service was killed is in doubt, and nothing else is.
    assert counts.get("accepted", 0) + counts.get("unknown", 0) == SLOW
    assert counts.get("unknown", 0) < SLOW // 5
    assert max(Counter(esp.recipients()).values()) == 1


async def test_more_than_can_be_stored_is_refused_at_once_and_the_rest_is_stored(
    tmp_path: Path,
) -> None:
    # Room for some requests of a thousand events.
    environ = environment(tmp_path, ESPALIER_CALLBACK_BACKLOG_BYTES=str(16 * 1024 * 1024))
    async with (
        watched_esp() as esp,
        serving(environ) as served,
        api_at(served.grpc_address) as api,
    ):
        first, _, url = await two_campaigns(api, esp.url)
        events = reports(await sent_ids(served.grpc_address, first), people("first", MESSAGES))
        (receiver,) = served.receivers()
        before = peak_mib(receiver)
        # The same thousand again and again, told apart by a key that is not read.
        same = {"version": "v2", "events": {"success": events[:1000]}}
        large = [orjson.dumps({**same, "n": n}) for n in range(120)]
        fire = Fire(url, large, connections=120)
        with closing(sqlite3.connect(tmp_path / "espalier.db", isolation_level=None)) as other:
            other.execute("PRAGMA busy_timeout = 30000")
            other.execute("BEGIN IMMEDIATE")
            firing = asyncio.create_task(fire.run())
            await eventually(lambda: fire.statuses[503] >= 60, 60)
            assert fire.acknowledged == 0
            other.execute("ROLLBACK")
        await firing
        assert fire.statuses[200] == 120
        found = await stored(served.grpc_address, until=1000)
        assert len({(e.message_id, e.type, e.occur_time.seconds) for e in found}) >= 1000
        # What there was no room for took none: all of it at once would have been 70 MiB.
        assert peak_mib(receiver) - before < 48
