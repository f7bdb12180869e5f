"""RecordCallback over a log that remembers what it was given."""

from collections.abc import Sequence

import orjson
import pytest

from domain.callback import UNKNOWN_META, UNKNOWN_TYPE, Attributed, BadCallback, Unprocessed
from domain.message_id import MessageIds
from domain.provider import Provider
from services.record_callback import RecordCallback
from tests.domain.provider_samples import POST
from tests.fakes.clock import FakeClock

NOW = 1_750_000_000.0
IDS = MessageIds(b"k" * 32)
ACME = Provider(
    provider_id=1, version=1, config=POST, callback_token="t1", created_at=NOW, updated_at=NOW
)


class RememberingLog:
    """Knows campaign 1 alone."""

    def __init__(self) -> None:
        self.events: list[Attributed] = []
        self.unprocessed: list[Unprocessed] = []
        self.received_at = 0.0

    async def record_callbacks(
        self,
        provider: Provider,
        events: Sequence[Attributed],
        unprocessed: Sequence[Unprocessed],
        *,
        received_at: float,
    ) -> Sequence[Attributed]:
        self.events += [item for item in events if item.message.number == 1]
        self.unprocessed += unprocessed
        self.received_at = received_at
        return [item for item in events if item.message.number != 1]


def said(type: str = "delivered", meta: str = IDS.campaign_message(1, 0)) -> dict[str, str]:
    return {"type": type, "email": "a@example.com", "meta": meta}


def body(*events: dict[str, str]) -> bytes:
    return orjson.dumps({"version": "v2", "events": {"success": events}})


async def test_events_of_our_messages_are_stored_and_counted() -> None:
    log = RememberingLog()
    answer = await RecordCallback(log, IDS, FakeClock(NOW))(ACME, body(said(), said("spam")))
    assert answer == {"TOTAL_EVENTS": 2, "PROCESSED_EVENTS": 2, "UNPROCESSED_EVENTS": []}
    assert [item.type for item in log.events] == ["delivered", "spam"]
    assert log.received_at == NOW


async def test_what_is_not_ours_is_answered_with_a_reason() -> None:
    log = RememberingLog()
    elsewhere = said(meta=IDS.campaign_message(2, 0))
    odd, forged = said("opened"), said(meta="forged")
    answer = await RecordCallback(log, IDS, FakeClock(NOW))(
        ACME, body(odd, forged, elsewhere, said())
    )
    assert answer["PROCESSED_EVENTS"] == 1
    assert answer["UNPROCESSED_EVENTS"] == [
        {**odd, "reason": UNKNOWN_TYPE},
        {**forged, "reason": UNKNOWN_META},
        {**elsewhere, "reason": UNKNOWN_META},
    ]
    assert [item.reason for item in log.unprocessed] == [UNKNOWN_TYPE, UNKNOWN_META]


async def test_one_fault_keeps_everything_out_of_the_log() -> None:
    log = RememberingLog()
    with pytest.raises(BadCallback) as caught:
        await RecordCallback(log, IDS, FakeClock(NOW))(ACME, body(said(), {"type": "spam"}))
    assert caught.value.paths == ("events.success[1].email", "events.success[1].meta")
    assert (log.events, log.unprocessed) == ([], [])
