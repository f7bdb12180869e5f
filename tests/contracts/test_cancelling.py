"""What a cancelled campaign must do to the queue, and to what its workers still hold."""

from dataclasses import replace

from domain.campaign import CampaignState, DeliveryGuarantee
from domain.chunk import Change
from domain.message import MessageState
from services.ports import Move, Step
from tests.contracts.bench import ACCEPTED, QUEUED, SENDING, Bench, accepted, posting

CANCELLED, UNKNOWN = MessageState.CANCELLED, MessageState.UNKNOWN
RELEASE = Change(released=True)


async def test_cancelling_leaves_requests_in_flight_to_end_as_they_end(bench: Bench) -> None:
    number = await bench.campaign(3)
    (claim,) = await bench.claim()
    step, request = posting(claim, 1)
    await bench.record(step)
    await bench.put(number, CampaignState.CANCELLED)
    assert await bench.states(number) == [CANCELLED, SENDING, CANCELLED]
    assert await bench.record(accepted(step, request)) == [True]
    assert await bench.states(number) == [CANCELLED, ACCEPTED, CANCELLED]
    assert await bench.counts(number) == {CANCELLED: 2, ACCEPTED: 1}
    assert await bench.claim() == []


async def test_what_was_only_claimed_is_not_posted_after_a_cancel(bench: Bench) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    await bench.put(number, CampaignState.CANCELLED)
    step, _ = posting(claim, 0, 1)
    assert await bench.record(step) == [False]
    assert await bench.record(Step(key=claim.chunk.key, change=RELEASE)) == [False]
    assert await bench.counts(number) == {CANCELLED: 2}


async def test_a_request_that_comes_back_after_a_cancel_is_not_sent_again(bench: Bench) -> None:
    number = await bench.campaign(3)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    await bench.record(step)
    await bench.put(number, CampaignState.CANCELLED)
    assert await bench.counts(number) == {SENDING: 2, CANCELLED: 1}
    again = replace(request, posting=False)
    change = Change(dropped=(request,), formed=(again,))
    back = Step(key=step.key, change=change, moves=(Move((0, 1), SENDING, QUEUED),))
    assert await bench.record(back, Step(key=step.key, change=RELEASE)) == [True, True]
    assert await bench.counts(number) == {CANCELLED: 3}
    assert await bench.claim() == []


async def test_cancelling_makes_unknown_what_nobody_will_repeat(bench: Bench) -> None:
    number = await bench.campaign(3, guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    (claim,) = await bench.claim("gone")
    step, _ = posting(claim, 1)
    await bench.record(step)
    await bench.worker_dies()
    await bench.put(number, CampaignState.CANCELLED)
    assert await bench.states(number) == [CANCELLED, UNKNOWN, CANCELLED]
    assert await bench.counts(number) == {CANCELLED: 2, UNKNOWN: 1}


async def test_what_a_dead_worker_had_in_flight_is_unknown_also_after_a_cancel(
    bench: Bench,
) -> None:
    number = await bench.campaign(3, guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    (claim,) = await bench.claim("gone")
    step, _ = posting(claim, 1)
    await bench.record(step)
    await bench.put(number, CampaignState.CANCELLED)
    await bench.worker_dies()
    assert await bench.states(number) == [CANCELLED, UNKNOWN, CANCELLED]
    assert await bench.claim() == []


async def test_chunks_that_come_back_in_one_commit_after_a_cancel_are_counted_once(
    bench: Bench,
) -> None:
    number = await bench.campaign(1001)
    first, second = await bench.claim(limit=2)
    (one, flying), (other, request) = posting(first, *range(1000)), posting(second, 1000)
    assert await bench.record(one, other) == [True, True]
    await bench.put(number, CampaignState.CANCELLED)
    again = replace(request, posting=False)
    kept = Change(dropped=(request,), formed=(again,))
    await bench.record(Step(key=other.key, change=kept, moves=(Move((1000,), SENDING, QUEUED),)))
    back = Change(dropped=(flying,), formed=(replace(flying, posting=False),), released=True)
    left_out = Change(dropped=(again,), settled=(1000,))
    steps = [
        Step(key=one.key, change=back, moves=(Move(flying.ordinals, SENDING, QUEUED),)),
        Step(
            key=other.key,
            change=left_out,
            moves=(Move((1000,), QUEUED, MessageState.SUPPRESSED, "R"),),
        ),
    ]
    assert await bench.record(*steps) == [True, True]
    assert await bench.counts(number) == {MessageState.CANCELLED: 1000, MessageState.SUPPRESSED: 1}
