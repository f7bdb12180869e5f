"""What folding the log must do, over the SQL adapter on a SQLite file."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.sql.events import SqlEventLog
from adapters.sql.suppressions import SqlSuppressionRepository
from domain.callback import Attributed, CallbackEvent, CallbackType
from domain.message import MessageState
from domain.message_id import MessageKind, MessageRef
from domain.provider import Provider, ProviderConfig, RequestType
from domain.suppression import SuppressionReason
from tests.contracts.test_work_queue import Bench, accepted, posting

PROVIDER = Provider(
    provider_id=1,
    version=1,
    config=ProviderConfig(
        nickname="acme", request_type=RequestType.POST, http_endpoint="https://e.example.com"
    ),
    callback_token="t",
    created_at=0.0,
    updated_at=0.0,
)
ACCEPTED, DELIVERED = MessageState.ACCEPTED, MessageState.DELIVERED


@dataclass
class Log:
    bench: Bench
    log: SqlEventLog
    suppressions: SqlSuppressionRepository

    async def sent(self, people: int = 3) -> int:
        """A campaign that the ESP took whole."""
        number = await self.bench.campaign(people)
        (claim,) = await self.bench.claim()
        step, request = posting(claim, *range(people))
        await self.bench.queue.record([step, accepted(step, request)])
        return number

    async def lost(self, people: int) -> int:
        """A campaign whose worker died before it knew what the ESP did."""
        number = await self.bench.campaign(people)
        (claim,) = await self.bench.claim("gone")
        step, _ = posting(claim, *range(people))
        await self.bench.queue.record([step])
        self.bench.clock.advance(11)
        await self.bench.queue.recover()
        return number

    async def say(self, number: int, ordinal: int, kind: CallbackType) -> None:
        event = CallbackEvent(
            type=kind,
            email="reported@example.com",
            meta="",
            description="said",
            timestamp=None,
            list_name="failed",
            raw={},
        )
        item = Attributed(
            event=event,
            type=kind,
            message=MessageRef(MessageKind.CAMPAIGN, number, ordinal),
            occurred_at=5.0,
            digest=len(kind) * 1000 + ordinal,
        )
        await self.log.record_callbacks(PROVIDER, [item], [], received_at=6.0)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    bench = Bench(tmp_path / "fold.db")
    await bench.open()
    yield Log(bench, SqlEventLog(bench.database), SqlSuppressionRepository(bench.database))
    await bench.database.close()


async def test_callbacks_move_messages_and_counts_stay_exact(log: Log) -> None:
    number = await log.sent(3)
    await log.say(number, 0, CallbackType.DELIVERED)
    await log.say(number, 1, CallbackType.HARD_BOUNCE)
    assert await log.log.fold(limit=100) == 0
    expected = {ACCEPTED: 1, DELIVERED: 1, MessageState.HARD_BOUNCED: 1}
    assert await log.bench.counts(number) == expected
    rows, _ = await log.bench.campaigns.messages(number, after=-1, limit=10)
    assert [row.state for row in rows] == [DELIVERED, MessageState.HARD_BOUNCED, ACCEPTED]


async def test_an_entry_is_applied_once_and_what_is_left_is_told(log: Log) -> None:
    number = await log.sent(2)
    await log.say(number, 0, CallbackType.DELIVERED)
    await log.say(number, 1, CallbackType.DELIVERED)
    # The first entry says that the campaign was sent.
    assert [await log.log.fold(limit=2), await log.log.fold(limit=2)] == [1, 0]
    assert await log.log.fold(limit=2) == 0
    assert await log.bench.counts(number) == {DELIVERED: 2}


async def test_a_late_delivered_does_not_undo_a_hard_bounce(log: Log) -> None:
    number = await log.sent(1)
    await log.say(number, 0, CallbackType.HARD_BOUNCE)
    await log.log.fold(limit=10)
    await log.say(number, 0, CallbackType.DELIVERED)
    await log.log.fold(limit=10)
    assert await log.bench.counts(number) == {MessageState.HARD_BOUNCED: 1}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (CallbackType.HARD_BOUNCE, SuppressionReason.HARD_BOUNCE),
        (CallbackType.UNSUBSCRIBED, SuppressionReason.UNSUBSCRIBED),
        (CallbackType.SPAM, SuppressionReason.COMPLAINT),
    ],
)
async def test_the_address_of_the_message_is_suppressed(
    log: Log, kind: CallbackType, reason: SuppressionReason
) -> None:
    number = await log.sent(2)
    await log.say(number, 1, kind)
    await log.log.fold(limit=10)
    (found,) = await log.suppressions.list(after="", limit=10)
    assert (found.email, found.reason, found.detail) == ("p1@example.com", reason, "said")
    assert (found.campaign_number, found.ordinal, found.event_position) == (number, 1, 2)


@pytest.mark.parametrize(
    "kind", [CallbackType.DELIVERED, CallbackType.SOFT_BOUNCE, CallbackType.CLICKED]
)
async def test_other_callbacks_suppress_nobody(log: Log, kind: CallbackType) -> None:
    await log.say(await log.sent(1), 0, kind)
    await log.log.fold(limit=10)
    assert await log.suppressions.list(after="", limit=10) == []


async def test_a_callback_that_overtakes_the_outcome_is_counted_once(log: Log) -> None:
    number = await log.bench.campaign(2)
    (claim,) = await log.bench.claim()
    step, request = posting(claim, 0, 1)
    await log.bench.queue.record([step])
    await log.say(number, 0, CallbackType.DELIVERED)
    await log.log.fold(limit=10)
    assert await log.bench.counts(number) == {DELIVERED: 1, MessageState.SENDING: 1}
    await log.bench.queue.record([accepted(step, request)])
    assert await log.bench.counts(number) == {DELIVERED: 1, ACCEPTED: 1}


async def test_a_callback_speaks_for_a_message_that_an_operator_gave_up(log: Log) -> None:
    number = await log.lost(2)
    assert await log.bench.campaigns.resolve_unknown(number, resend=False) == (2, 0)
    await log.say(number, 0, CallbackType.DELIVERED)
    await log.log.fold(limit=10)
    assert await log.bench.counts(number) == {DELIVERED: 1, MessageState.CANCELLED: 1}


async def test_a_callback_resolves_an_unknown_message(log: Log) -> None:
    number = await log.lost(2)
    await log.say(number, 1, CallbackType.SOFT_BOUNCE)
    await log.log.fold(limit=10)
    expected = {MessageState.UNKNOWN: 1, MessageState.SOFT_BOUNCED: 1}
    assert await log.bench.counts(number) == expected


async def test_waiting_ends_when_there_is_an_entry(log: Log) -> None:
    waiting = asyncio.create_task(log.log.wait(after=0, timeout_seconds=60))
    await log.sent(1)
    await waiting
    assert await log.log.head() == 1


async def test_waiting_ends_when_the_time_is_over(log: Log) -> None:
    await log.log.wait(after=0, timeout_seconds=0.01)
    assert await log.log.head() == 0
