"""RecordCallback over a log in memory."""

from typing import Any

import orjson
import pytest

from domain.callback import UNKNOWN_META, UNKNOWN_TYPE, BadCallback
from domain.events import Cursor, LogEntry
from domain.message_id import MessageIds
from services.record_callback import RecordCallback
from tests.contracts.bench import Bench
from tests.contracts.ports import NOW, over_fake
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store

IDS = MessageIds(b"k" * 32)


def said(type: str = "delivered", meta: str = IDS.campaign_message(1, 0)) -> dict[str, str]:
    return {"type": type, "email": "a@example.com", "meta": meta}


def body(*events: dict[str, str]) -> bytes:
    return orjson.dumps({"version": "v2", "events": {"success": events}})


@pytest.fixture
async def bench() -> Bench:
    """Campaign 1 has gone out through acme."""
    bench = await Bench.on(over_fake(Store(FakeClock(NOW))))
    assert await bench.sent(1) == 1
    return bench


async def callback(bench: Bench, body: bytes) -> dict[str, Any]:
    record = RecordCallback(bench.ports.log, IDS, bench.ports.clock)
    return await record(bench.provider, body)


async def stored(bench: Bench) -> list[LogEntry]:
    """What the log holds behind the entry that says that the campaign went out."""
    return list(await bench.ports.log.read(after=Cursor(1, 0), limit=10))


async def test_events_of_our_messages_are_stored_and_counted(bench: Bench) -> None:
    answer = await callback(bench, body(said(), said("spam")))
    assert answer == {"TOTAL_EVENTS": 2, "PROCESSED_EVENTS": 2, "UNPROCESSED_EVENTS": []}
    entries = await stored(bench)
    assert [entry.callback_type for entry in entries] == ["delivered", "spam"]
    assert {entry.received_at for entry in entries} == {NOW}


async def test_a_repeat_counts_as_processed_and_is_stored_once(bench: Bench) -> None:
    first = await callback(bench, body(said()))
    assert await callback(bench, body(said())) == first
    assert len(await stored(bench)) == 1


async def test_what_is_not_ours_is_answered_with_a_reason_and_kept(bench: Bench) -> None:
    elsewhere = said(meta=IDS.campaign_message(2, 0))
    odd, forged = said("opened"), said(meta="forged")
    answer = await callback(bench, body(odd, forged, elsewhere, said()))
    assert answer["PROCESSED_EVENTS"] == 1
    assert answer["UNPROCESSED_EVENTS"] == [
        {**odd, "reason": UNKNOWN_TYPE},
        {**forged, "reason": UNKNOWN_META},
        {**elsewhere, "reason": UNKNOWN_META},
    ]
    assert await bench.ports.unprocessed() == 3


async def test_one_fault_keeps_everything_out_of_the_log(bench: Bench) -> None:
    with pytest.raises(BadCallback) as caught:
        await callback(bench, body(said(), {"type": "spam"}))
    assert caught.value.paths == ("events.success[1].email", "events.success[1].meta")
    assert await stored(bench) == []
    assert await bench.ports.unprocessed() == 0
