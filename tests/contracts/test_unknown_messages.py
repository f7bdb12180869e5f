"""What resolving UNKNOWN messages must do, to the campaign and to the queue."""

import pytest

from domain.campaign import CampaignState
from domain.chunk import Change
from domain.errors import NotPossibleNow, TryLater
from domain.message import MessageState
from services.ports import Move, Resend, Step
from tests.contracts.bench import ACCEPTED, QUEUED, SENDING, Bench, accepted, posting

UNKNOWN = MessageState.UNKNOWN


async def test_unknown_messages_that_are_resent_are_claimed_again(bench: Bench) -> None:
    number = await bench.lost(3)
    campaigns = bench.ports.campaigns
    assert await campaigns.resolve_unknown(number, resend=True, ordinals=[0, 2]) == (2, 0)
    assert await bench.state(number) is CampaignState.SENDING
    assert await bench.counts(number) == {QUEUED: 2, UNKNOWN: 1}
    (claim,) = await bench.claim()
    assert list(claim.chunk.unformed_ordinals()) == [0, 2]
    step, request = posting(claim, 0, 2)
    await bench.record(step, accepted(step, request))
    assert await bench.counts(number) == {ACCEPTED: 2, UNKNOWN: 1}
    ended = await campaigns.get(number)
    assert (ended.state, ended.state_reason) == (CampaignState.COMPLETED, "")


async def lose_again(bench: Bench, detail: str) -> None:
    """Sends what is open, and loses the answer to it."""
    (claim,) = await bench.claim()
    step, request = posting(claim, *claim.chunk.unformed_ordinals())
    change = Change(dropped=(request,), settled=request.ordinals, released=True)
    move = Move(request.ordinals, SENDING, UNKNOWN, "ANSWER_LOST", detail)
    await bench.record(step, Step(key=step.key, change=change, moves=(move,)))


async def test_what_was_resent_is_remembered_whatever_becomes_of_it(bench: Bench) -> None:
    number, clock, campaigns = await bench.campaign(2), bench.ports.clock, bench.ports.campaigns
    first = clock.now()
    await lose_again(bench, "timed out")
    clock.advance(10)
    await campaigns.resolve_unknown(number, resend=True, ordinals=[1])
    clock.advance(10)
    await lose_again(bench, "reset")
    clock.advance(10)
    await campaigns.resolve_unknown(number, resend=True)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    await bench.record(step, accepted(step, request))
    assert await campaigns.resends(number, 1) == [
        Resend(first, "timed out", first + 10),
        Resend(first + 20, "reset", first + 30),
    ]
    assert await campaigns.resends(number, 0) == [Resend(first, "timed out", first + 30)]
    assert await bench.counts(number) == {ACCEPTED: 2}


async def test_what_was_not_resent_is_remembered_as_that(bench: Bench) -> None:
    number, other = await bench.lost(1), await bench.lost(2)
    campaigns = bench.ports.campaigns
    await campaigns.resolve_unknown(number, resend=False)
    await campaigns.resolve_unknown(other, resend=True, ordinals=[1])
    assert await campaigns.resends(number, 0) == await campaigns.resends(other, 0) == []
    assert await campaigns.resends(number + 9, 0) == []
    rows, _ = await campaigns.messages(number, after=-1, limit=1)
    assert rows[0].lost_at is not None


async def test_unknown_messages_that_are_given_up_are_cancelled_and_say_so(bench: Bench) -> None:
    number = await bench.lost(2)
    assert await bench.ports.campaigns.resolve_unknown(number, resend=False) == (2, 0)
    assert await bench.counts(number) == {MessageState.CANCELLED: 2}
    rows, _ = await bench.ports.campaigns.messages(number, after=-1, limit=10)
    assert {row.reason for row in rows} == {"ABANDONED"}


async def test_messages_that_are_not_unknown_are_left_alone_and_counted(bench: Bench) -> None:
    number = await bench.lost(1)
    campaigns = bench.ports.campaigns
    assert await campaigns.resolve_unknown(number, resend=False, ordinals=[0, 7]) == (1, 1)


async def test_a_cancelled_campaign_is_not_resent(bench: Bench) -> None:
    number = await bench.lost(1)
    await bench.put(number, CampaignState.CANCELLED)
    with pytest.raises(NotPossibleNow):
        await bench.ports.campaigns.resolve_unknown(number, resend=True)
    assert await bench.counts(number) == {UNKNOWN: 1}


async def test_a_resend_next_to_what_is_being_sent_changes_nothing(bench: Bench) -> None:
    number = await bench.campaign(1001)
    for claim in await bench.claim("gone", limit=2):
        step, _ = posting(claim, claim.chunk.first)
        await bench.record(step)
    await bench.worker_dies()
    (again,) = await bench.claim()
    step, _ = posting(again, 1)
    await bench.record(step)
    with pytest.raises(TryLater):
        await bench.ports.campaigns.resolve_unknown(number, resend=True)
    assert await bench.counts(number) == {UNKNOWN: 2, SENDING: 1, QUEUED: 998}
    campaigns = bench.ports.campaigns
    assert await campaigns.resends(number, 1000) == []
    assert await campaigns.resolve_unknown(number, resend=True, ordinals=[1000]) == (1, 0)


async def test_a_state_that_is_left_as_it_is_keeps_its_reason(bench: Bench) -> None:
    number = await bench.campaign(1)
    await bench.put(number, CampaignState.PAUSED)
    campaign = await bench.ports.campaigns.change_state(number, lambda _: None)
    assert (campaign.state, campaign.state_reason) == (CampaignState.PAUSED, "by a test")
