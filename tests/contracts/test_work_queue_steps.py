"""What every WorkQueue must make of the steps that a worker records."""

from dataclasses import replace

import pytest

from domain.callback import CallbackType
from domain.campaign import CampaignState
from domain.chunk import Change
from domain.errors import TryLater
from domain.events import START
from domain.message import MessageState
from services.ports import Move, Recorded, Step
from tests.contracts.bench import ACCEPTED, QUEUED, SENDING, Bench, accepted, posting

DELIVERED, UNKNOWN = MessageState.DELIVERED, MessageState.UNKNOWN


async def test_a_sent_chunk_ends_its_campaign_with_exact_counts(bench: Bench) -> None:
    number = await bench.campaign(3)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1, 2)
    assert await bench.record(step) == [True]
    assert await bench.counts(number) == {SENDING: 3}
    assert await bench.record(accepted(step, request)) == [True]
    assert await bench.counts(number) == {ACCEPTED: 3}
    assert await bench.state(number) is CampaignState.COMPLETED


async def test_a_campaign_goes_on_until_its_last_chunk_is_done(bench: Bench) -> None:
    number = await bench.campaign(1001)
    first, second = await bench.claim(limit=2)
    step, request = posting(second, 1000)
    await bench.record(step, accepted(step, request))
    assert await bench.state(number) is CampaignState.SENDING
    step, request = posting(first, *range(1000))
    await bench.record(step, accepted(step, request))
    assert await bench.state(number) is CampaignState.COMPLETED


async def test_each_message_is_where_the_steps_of_its_worker_put_it(bench: Bench) -> None:
    number = await bench.campaign(4)
    (claim,) = await bench.claim()
    step, request = posting(claim, 1, 2)
    await bench.record(step)
    assert await bench.states(number) == [QUEUED, SENDING, SENDING, QUEUED]
    change = Change(dropped=(request,), settled=(1, 2))
    moves = (Move((1,), SENDING, ACCEPTED), Move((2,), SENDING, MessageState.REJECTED, "HTTP_400"))
    await bench.record(Step(key=step.key, change=change, moves=moves))
    rejected = MessageState.REJECTED
    assert await bench.states(number) == [QUEUED, ACCEPTED, rejected, QUEUED]
    rows, _ = await bench.ports.campaigns.messages(number, after=1, limit=1)
    assert (rows[0].reason, rows[0].updated_at) == ("HTTP_400", bench.ports.clock.now())


async def test_several_steps_of_one_chunk_share_a_transaction_in_their_order(
    bench: Bench,
) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    assert await bench.record(step, accepted(step, request)) == [True, True]
    assert await bench.counts(number) == {ACCEPTED: 2}


async def test_steps_that_cannot_be_stored_leave_everything_as_it_was(bench: Bench) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    bench.ports.be_busy(True)
    with pytest.raises(TryLater):
        await bench.record(step, accepted(step, request))
    bench.ports.be_busy(False)
    assert await bench.counts(number) == {QUEUED: 2}
    assert await bench.ports.log.head() == 0
    assert await bench.record(step, accepted(step, request)) == [True, True]


async def test_positions_of_log_entries_follow_one_another(bench: Bench) -> None:
    numbers = [await bench.sent(1), await bench.sent(1)]
    entries = await bench.ports.log.read(after=START, limit=10)
    assert [(e.position, e.kind, e.number) for e in entries] == [
        (1, "SENT", numbers[0]),
        (2, "SENT", numbers[1]),
    ]


async def test_a_step_of_an_earlier_epoch_comes_too_late(bench: Bench) -> None:
    number = await bench.campaign(1)
    (old,) = await bench.claim("gone")
    await bench.worker_dies()
    (new,) = await bench.claim("next")
    assert new.chunk.epoch > old.chunk.epoch
    late, _ = posting(old, 0)
    good, _ = posting(new, 0)
    assert await bench.record(late, good) == [False, True]
    assert await bench.counts(number) == {SENDING: 1}


async def test_nothing_of_a_step_that_comes_too_late_is_stored(bench: Bench) -> None:
    number = await bench.campaign(1)
    (old,) = await bench.claim("gone")
    step, request = posting(old, 0)
    await bench.record(step)
    await bench.worker_dies()
    assert await bench.record(accepted(step, request)) == [False]
    assert await bench.counts(number) == {UNKNOWN: 1}
    assert await bench.ports.log.head() == 0


async def test_nothing_new_is_posted_for_a_campaign_that_is_paused(bench: Bench) -> None:
    number = await bench.campaign(1)
    (claim,) = await bench.claim()
    await bench.put(number, CampaignState.PAUSED)
    step, _ = posting(claim, 0)
    assert await bench.record(step) == [False]
    assert await bench.counts(number) == {QUEUED: 1}


async def test_the_outcome_of_what_was_in_flight_is_kept_though_the_campaign_was_paused(
    bench: Bench,
) -> None:
    number = await bench.campaign(1)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0)
    await bench.record(step)
    await bench.put(number, CampaignState.PAUSED)
    assert await bench.record(accepted(step, request)) == [True]
    assert await bench.counts(number) == {ACCEPTED: 1}
    assert await bench.state(number) is CampaignState.PAUSED
    await bench.put(number, CampaignState.SENDING)
    assert await bench.state(number) is CampaignState.COMPLETED


async def test_a_message_that_a_callback_moved_stays_where_it_put_it(bench: Bench) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    await bench.record(step)
    await bench.say(number, 0, CallbackType.DELIVERED)
    await bench.fold()
    await bench.record(accepted(step, request))
    assert await bench.counts(number) == {ACCEPTED: 1, DELIVERED: 1}


async def test_an_intent_that_a_pause_refuses_leaves_no_trace(bench: Bench) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    first, request = posting(claim, 0)
    second, _ = posting(claim, 1)
    await bench.record(first)
    await bench.put(number, CampaignState.PAUSED)
    ended = accepted(first, request)
    recorded = await bench.ports.queue.record([second, ended])
    assert list(recorded) == [Recorded.REFUSED, Recorded.STORED]
    assert await bench.states(number) == [ACCEPTED, QUEUED]
    assert await bench.worker_dies() == 0
    await bench.put(number, CampaignState.SENDING)
    (again,) = await bench.claim()
    assert list(again.chunk.unformed_ordinals()) == [1]


async def test_a_step_of_somebody_who_lost_the_chunk_is_told_so(bench: Bench) -> None:
    await bench.campaign(1)
    (claim,) = await bench.claim("gone")
    await bench.worker_dies()
    step, _ = posting(claim, 0)
    assert list(await bench.ports.queue.record([step])) == [Recorded.TOO_LATE]


async def test_what_is_said_of_a_chunk_at_once_is_said_of_every_message(bench: Bench) -> None:
    number = await bench.campaign(3)
    (claim,) = await bench.claim()
    steps = []
    for ordinal in range(3):
        step, request = posting(claim, ordinal)
        change = Change(dropped=(request,), settled=(ordinal,))
        ended = accepted(step, request)
        steps += [step, replace(ended, change=change)]
    await bench.record(*steps, Step(key=claim.chunk.key, change=Change(released=True)))
    entries = await bench.ports.log.read(after=START, limit=10)
    assert sorted(o for entry in entries for o in entry.ordinals) == [0, 1, 2]
    assert await bench.counts(number) == {ACCEPTED: 3}


async def test_no_more_are_in_flight_to_a_provider_than_its_places(bench: Bench) -> None:
    first, second = await bench.campaign(2), await bench.campaign(2)
    one, other = await bench.claim("a"), await bench.claim("b")
    began, request = posting(one[0], 0)
    full, _ = posting(other[0], 0)
    queue = bench.ports.queue
    assert list(await queue.record([replace(began, starts=1), replace(full, starts=1)])) == [
        Recorded.STORED,
        Recorded.FULL,
    ]
    assert await bench.counts(second) == {QUEUED: 2}
    await bench.record(accepted(began, request))
    assert await bench.record(replace(full, starts=1)) == [True]
    assert await bench.counts(first) == {ACCEPTED: 1, QUEUED: 1}


async def test_what_a_dead_worker_had_in_flight_takes_no_place_any_more(bench: Bench) -> None:
    await bench.campaign(1)
    await bench.campaign(1)
    (gone,) = await bench.claim("gone")
    step, _ = posting(gone, 0)
    await bench.record(replace(step, starts=1))
    await bench.worker_dies()
    (claim,) = await bench.claim()
    again, _ = posting(claim, 0)
    assert await bench.record(replace(again, starts=1)) == [True]
