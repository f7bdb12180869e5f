"""What every CampaignRepository must say of a campaign that is held up: why, and until when."""

from dataclasses import replace

import pytest

from domain.campaign import CampaignState
from domain.chunk import Change
from domain.circuit import FAILURES_TO_OPEN
from services.ports import Move, Step
from tests.contracts.bench import QUEUED, SENDING, Bench, accepted, posting

DOWN = "the ESP answered 503"
# The bench's time is 15:06:40 UTC.
UNTIL_OPEN = f"waiting: {DOWN}; the next try is at 15:06:45 UTC"
PROBED = f"waiting: {DOWN}; one request at a time is tried, to see if it is over"
ASKED = "the ESP answered 429 with Retry-After"


async def reason(bench: Bench, number: int) -> str:
    """The same from both ways to read it."""
    campaign = await bench.ports.campaigns.get(number)
    listed = await bench.ports.campaigns.list(before=number + 1, limit=1)
    assert listed[0].state_reason == campaign.state_reason
    return campaign.state_reason


@pytest.fixture
async def number(bench: Bench) -> int:
    return await bench.campaign(FAILURES_TO_OPEN + 2)


async def fail(bench: Bench) -> None:
    """As often as it takes to open the circuit; the chunk is free again."""
    (claim,) = await bench.claim()
    for ordinal in range(FAILURES_TO_OPEN):
        step, request = posting(claim, ordinal)
        change = Change(dropped=(request,), formed=(replace(request, posting=False),))
        moves = (Move(request.ordinals, SENDING, QUEUED),)
        failed = Step(key=step.key, change=change, health=DOWN, moves=moves)
        assert await bench.record(step, failed) == [True, True]
    assert await bench.record(Step(key=claim.chunk.key, change=Change(released=True))) == [True]


async def test_a_campaign_that_is_sent_has_no_reason(bench: Bench, number: int) -> None:
    assert await reason(bench, number) == ""


async def test_a_pause_of_its_provider_is_told_until_it_is_over(bench: Bench, number: int) -> None:
    until = bench.ports.clock.now() + 30
    await bench.ports.providers.pause(bench.provider.provider_id, until=until, reason=ASKED)
    assert await reason(bench, number) == f"waiting: {ASKED}; the next try is at 15:07:10 UTC"
    bench.ports.clock.advance(30)
    assert await reason(bench, number) == ""


async def test_an_open_circuit_is_told_with_the_failure_and_the_next_try(
    bench: Bench, number: int
) -> None:
    await fail(bench)
    assert await reason(bench, number) == UNTIL_OPEN
    bench.ports.clock.advance(5)
    assert await reason(bench, number) == PROBED


async def test_nothing_is_left_of_it_once_the_circuit_is_closed(bench: Bench, number: int) -> None:
    await fail(bench)
    bench.ports.clock.advance(5)
    (claim,) = await bench.claim()
    step, request = posting(claim, FAILURES_TO_OPEN)
    ended = accepted(step, request)
    kept = replace(ended.change, released=False)
    assert await bench.record(step, replace(ended, change=kept, health="")) == [True, True]
    assert await reason(bench, number) == ""


async def test_every_campaign_of_the_provider_waits_and_no_other(bench: Bench, number: int) -> None:
    await fail(bench)
    second = await bench.campaign(1)
    assert await reason(bench, second) == UNTIL_OPEN
    other, _ = await bench.ports.providers.configure(
        "other", lambda _: replace(bench.provider.config, nickname="other")
    )
    bench.provider = other
    assert await reason(bench, await bench.campaign(1)) == ""


async def test_a_campaign_that_is_not_being_sent_keeps_a_reason_of_its_own(
    bench: Bench, number: int
) -> None:
    scheduled = await bench.campaign(1, send_at=bench.ports.clock.now() + 60)
    await fail(bench)
    assert await reason(bench, scheduled) == ""
    await bench.put(number, CampaignState.PAUSED)
    assert await reason(bench, number) == "by a test"
    resumed = await bench.ports.campaigns.change_state(
        number, lambda _: (CampaignState.SENDING, "")
    )
    assert resumed.state_reason == UNTIL_OPEN
    cancelled = await bench.ports.campaigns.change_state(
        number, lambda _: (CampaignState.CANCELLED, "by hand")
    )
    assert cancelled.state_reason == "by hand"
