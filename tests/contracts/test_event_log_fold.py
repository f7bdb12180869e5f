"""What folding the log must do to messages, counts and suppressions."""

import asyncio
from dataclasses import replace

import pytest

from domain.callback import CallbackType
from domain.errors import TryLater
from domain.events import START, EntryKind
from domain.message import MessageState
from domain.message_id import MessageKind
from domain.suppression import Suppression, SuppressionReason
from tests.contracts.bench import ACCEPTED, CONTENT, SENDING, Bench, accepted, posting

DELIVERED = MessageState.DELIVERED


async def suppressed(bench: Bench) -> list[Suppression]:
    return list(await bench.ports.suppressions.list(after="", limit=100))


async def test_callbacks_move_messages_and_counts_stay_exact(bench: Bench) -> None:
    number = await bench.sent(3)
    await bench.say(number, 0, CallbackType.DELIVERED)
    await bench.say(number, 1, CallbackType.HARD_BOUNCE)
    await bench.fold()
    expected = {ACCEPTED: 1, DELIVERED: 1, MessageState.HARD_BOUNCED: 1}
    assert await bench.counts(number) == expected
    rows, _ = await bench.ports.campaigns.messages(number, after=-1, limit=10)
    assert [row.state for row in rows] == [DELIVERED, MessageState.HARD_BOUNCED, ACCEPTED]
    assert (rows[1].detail, rows[1].updated_at) == ("said", bench.ports.clock.now())


async def test_an_entry_is_applied_once_and_what_is_left_is_told(bench: Bench) -> None:
    number = await bench.sent(2)
    await bench.say(number, 0, CallbackType.DELIVERED)
    await bench.say(number, 1, CallbackType.DELIVERED)
    # The first entry says that the campaign was sent.
    assert [await bench.ports.log.fold(limit=2) for _ in range(3)] == [1, 0, 0]
    assert await bench.counts(number) == {DELIVERED: 2}


async def test_of_ten_that_fold_at_once_each_entry_is_applied_once(bench: Bench) -> None:
    number = await bench.sent(8)
    for ordinal in range(8):
        await bench.say(number, ordinal, CallbackType.DELIVERED)
    await asyncio.gather(*(bench.ports.log.fold(limit=1) for _ in range(10)))
    assert await bench.ports.log.fold(limit=1) == 0
    assert await bench.counts(number) == {DELIVERED: 8}


async def test_a_fold_that_fails_applies_nothing_and_is_made_up_for(bench: Bench) -> None:
    number = await bench.sent(2)
    await bench.say(number, 0, CallbackType.SPAM)
    bench.ports.be_busy(True)
    with pytest.raises(TryLater):
        await bench.ports.log.fold(limit=10)
    bench.ports.be_busy(False)
    assert await bench.counts(number) == {ACCEPTED: 2}
    assert await suppressed(bench) == []
    await bench.fold()
    assert await bench.counts(number) == {ACCEPTED: 1, MessageState.COMPLAINED: 1}


async def test_a_late_delivered_does_not_undo_a_hard_bounce(bench: Bench) -> None:
    number = await bench.sent(1)
    await bench.say(number, 0, CallbackType.HARD_BOUNCE)
    await bench.fold()
    await bench.say(number, 0, CallbackType.DELIVERED)
    await bench.fold()
    assert await bench.counts(number) == {MessageState.HARD_BOUNCED: 1}


async def test_several_callbacks_of_one_message_in_one_fold_end_at_the_strongest(
    bench: Bench,
) -> None:
    number = await bench.sent(1)
    for type in (CallbackType.DELIVERED, CallbackType.SPAM, CallbackType.CLICKED):
        await bench.say(number, 0, type)
    await bench.fold()
    assert await bench.counts(number) == {MessageState.COMPLAINED: 1}


@pytest.mark.parametrize(
    ("type", "reason"),
    [
        (CallbackType.HARD_BOUNCE, SuppressionReason.HARD_BOUNCE),
        (CallbackType.UNSUBSCRIBED, SuppressionReason.UNSUBSCRIBED),
        (CallbackType.SPAM, SuppressionReason.COMPLAINT),
    ],
)
async def test_the_address_of_the_message_is_suppressed(
    bench: Bench, type: CallbackType, reason: SuppressionReason
) -> None:
    number = await bench.sent(2)
    await bench.say(number, 1, type)
    await bench.fold()
    (found,) = await suppressed(bench)
    assert (found.email, found.reason, found.detail) == ("p1@example.com", reason, "said")
    assert (found.campaign_number, found.ordinal, found.event_position) == (number, 1, 2)
    assert (found.provider, found.created_at) == ("acme", bench.ports.clock.now())


@pytest.mark.parametrize("email", ["Copy@Example.com", "blind@example.com"])
async def test_where_a_copy_bounces_its_own_address_is_suppressed(bench: Bench, email: str) -> None:
    content = replace(CONTENT, cc=("copy@example.com",), bcc=("blind@example.com",))
    number = await bench.sent(1, content=content)
    await bench.say(number, 0, CallbackType.HARD_BOUNCE, email=email)
    await bench.fold()
    (found,) = await suppressed(bench)
    assert (found.email, found.key) == (email, email.lower())


async def test_an_address_that_is_suppressed_already_stays_as_it_is(bench: Bench) -> None:
    number = await bench.sent(1)
    await bench.say(number, 0, CallbackType.HARD_BOUNCE)
    await bench.fold()
    (first,) = await suppressed(bench)
    await bench.say(number, 0, CallbackType.SPAM)
    await bench.fold()
    assert await suppressed(bench) == [first]


async def test_the_first_event_gives_the_reason_in_whatever_chunk_it_is(bench: Bench) -> None:
    early, late = await bench.sent(2), await bench.sent(2)
    await bench.say(early, 1, CallbackType.DELIVERED)
    await bench.say(late, 0, CallbackType.HARD_BOUNCE)
    await bench.say(early, 0, CallbackType.SPAM)
    await bench.fold()
    (found,) = await suppressed(bench)
    assert (found.reason, found.campaign_number) == (SuppressionReason.HARD_BOUNCE, late)


@pytest.mark.parametrize(
    "type", [CallbackType.DELIVERED, CallbackType.SOFT_BOUNCE, CallbackType.CLICKED]
)
async def test_other_callbacks_suppress_nobody(bench: Bench, type: CallbackType) -> None:
    await bench.say(await bench.sent(1), 0, type)
    await bench.fold()
    assert await suppressed(bench) == []


async def test_the_callback_of_a_test_email_moves_and_suppresses_nobody(bench: Bench) -> None:
    number = await bench.sent(1)
    provider_id = bench.provider.provider_id
    test = await bench.ports.tests.add(provider_id, "p0@example.com", at=1.0)
    assert test == number
    await bench.say(test, 0, CallbackType.HARD_BOUNCE, kind=MessageKind.TEST)
    await bench.fold()
    assert await bench.counts(number) == {ACCEPTED: 1}
    assert await suppressed(bench) == []


async def test_a_callback_that_overtakes_the_outcome_is_counted_once(bench: Bench) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    await bench.record(step)
    await bench.say(number, 0, CallbackType.DELIVERED)
    await bench.fold()
    assert await bench.counts(number) == {DELIVERED: 1, SENDING: 1}
    await bench.record(accepted(step, request))
    assert await bench.counts(number) == {DELIVERED: 1, ACCEPTED: 1}


async def test_a_callback_resolves_an_unknown_message(bench: Bench) -> None:
    number = await bench.lost(2)
    await bench.say(number, 1, CallbackType.SOFT_BOUNCE)
    await bench.fold()
    expected = {MessageState.UNKNOWN: 1, MessageState.SOFT_BOUNCED: 1}
    assert await bench.counts(number) == expected


async def test_a_callback_speaks_for_a_message_that_an_operator_gave_up(bench: Bench) -> None:
    number = await bench.lost(2)
    assert await bench.ports.campaigns.resolve_unknown(number, resend=False) == (2, 0)
    await bench.say(number, 0, CallbackType.DELIVERED)
    await bench.fold()
    assert await bench.counts(number) == {DELIVERED: 1, MessageState.CANCELLED: 1}


async def test_a_message_that_a_callback_proves_to_be_taken_is_logged_as_sent(bench: Bench) -> None:
    number = await bench.lost(3)
    await bench.say(number, 1, CallbackType.DELIVERED)
    await bench.ports.log.fold(limit=10)
    entries = await bench.ports.log.read(after=START, limit=10)
    assert [(e.kind, e.ordinals) for e in entries if e.kind is EntryKind.SENT] == [
        (EntryKind.SENT, (1,))
    ]
    assert await bench.ports.log.fold(limit=10) == 0
    rows, _ = await bench.ports.campaigns.messages(number, after=0, limit=1)
    assert (rows[0].state, rows[0].reason) == (MessageState.DELIVERED, "")
    assert rows[0].lost_at is not None


async def test_a_lost_answer_about_what_a_callback_has_proved_is_no_doubt(bench: Bench) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim("gone")
    step, _ = posting(claim, 0, 1)
    await bench.record(step)
    await bench.say(number, 0, CallbackType.DELIVERED)
    await bench.fold()
    await bench.worker_dies()
    entries = await bench.ports.log.read(after=START, limit=10)
    assert [e.ordinals for e in entries if e.kind is EntryKind.SENT] == [(0,)]
    assert await bench.counts(number) == {MessageState.DELIVERED: 1, MessageState.UNKNOWN: 1}
