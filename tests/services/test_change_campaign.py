"""Pausing, resuming, cancelling and resolving campaigns, over SQL and over ports in memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.campaign import CampaignSpec, CampaignState, Recipient
from domain.errors import NotFound, NotPossibleNow
from domain.message import MessageState
from services.change_campaign import CancelCampaign, PauseCampaign, ResumeCampaign
from services.ports import Campaign
from services.resolve_unknown import ResolveUnknown
from tests.contracts.bench import CONTENT, Bench, accepted, posting
from tests.contracts.ports import NOW, over_fake, over_sql
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store

SCHEDULED, SENDING, PAUSED = CampaignState.SCHEDULED, CampaignState.SENDING, CampaignState.PAUSED
CANCELLED, COMPLETED = CampaignState.CANCELLED, CampaignState.COMPLETED
FAILED = CampaignState.FAILED
NOBODYS = 99


@pytest.fixture(params=["sql", "fake"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "fake":
        yield await Bench.on(over_fake(Store(FakeClock(NOW))))
        return
    async with over_sql(tmp_path) as ports:
        yield await Bench.on(ports)


@pytest.fixture
def pause(bench: Bench) -> PauseCampaign:
    return PauseCampaign(bench.ports.campaigns)


@pytest.fixture
def resume(bench: Bench) -> ResumeCampaign:
    return ResumeCampaign(bench.ports.campaigns, bench.ports.clock)


@pytest.fixture
def cancel(bench: Bench) -> CancelCampaign:
    return CancelCampaign(bench.ports.campaigns)


@pytest.fixture
def resolve(bench: Bench) -> ResolveUnknown:
    return ResolveUnknown(bench.ports.campaigns, bench.ports.clock)


async def in_state(bench: Bench, state: CampaignState) -> int:
    send_at = NOW + 60 if state is SCHEDULED else None
    number = await bench.campaign(send_at=send_at)
    if state not in (SCHEDULED, SENDING):
        await bench.put(number, state)
    return number


async def lost_before(bench: Bench, send_before: float) -> int:
    """A campaign with a send_before whose worker died, with one message in flight."""
    spec = CampaignSpec(
        request_id="timed", provider="acme", content=CONTENT, send_before=send_before
    )
    number = await bench.ports.campaigns.begin(spec, bench.provider.provider_id)
    await bench.ports.campaigns.stage(number, 0, [Recipient("p0@example.com")])
    await bench.ports.campaigns.accept(number, fingerprint=b"f")
    (claim,) = await bench.claim("gone")
    step, _ = posting(claim, 0)
    await bench.record(step)
    await bench.worker_dies()
    return number


def standing(campaign: Campaign) -> tuple[CampaignState, str]:
    return campaign.state, campaign.state_reason


@pytest.mark.parametrize("state", [SCHEDULED, SENDING])
async def test_a_paused_campaign_says_who_paused_it_and_why(
    bench: Bench, pause: PauseCampaign, state: CampaignState
) -> None:
    number = await in_state(bench, state)

    campaign = await pause(number, reason="wrong subject")

    assert standing(campaign) == (PAUSED, "paused by PauseCampaign: wrong subject")
    assert campaign == await bench.ports.campaigns.get(number)
    assert await bench.claim() == []


async def test_pausing_a_campaign_that_the_service_paused_leaves_its_reason(
    bench: Bench, pause: PauseCampaign
) -> None:
    number = await in_state(bench, PAUSED)

    campaign = await pause(number, reason="me too")

    assert standing(campaign) == (PAUSED, "by a test")


@pytest.mark.parametrize("state", [COMPLETED, CANCELLED, FAILED])
async def test_a_campaign_that_has_ended_is_neither_paused_nor_resumed(
    bench: Bench, pause: PauseCampaign, resume: ResumeCampaign, state: CampaignState
) -> None:
    number = await in_state(bench, state)

    with pytest.raises(NotPossibleNow, match="cannot be paused") as of_pause:
        await pause(number)
    with pytest.raises(NotPossibleNow, match="cannot be resumed") as of_resume:
        await resume(number)

    assert of_pause.value.reason == of_resume.value.reason == "CAMPAIGN_ENDED"
    assert standing(await bench.ports.campaigns.get(number)) == (state, "by a test")


async def test_a_resumed_campaign_is_sent_on(
    bench: Bench, pause: PauseCampaign, resume: ResumeCampaign
) -> None:
    number = await in_state(bench, SENDING)
    await pause(number)

    campaign = await resume(number)

    assert standing(campaign) == (SENDING, "")
    (claim,) = await bench.claim()
    assert claim.chunk.campaign_number == number


async def test_a_campaign_that_is_resumed_before_its_time_waits_for_it(
    bench: Bench, pause: PauseCampaign, resume: ResumeCampaign
) -> None:
    number = await in_state(bench, SCHEDULED)
    await pause(number)

    assert standing(await resume(number)) == (SCHEDULED, "")

    bench.ports.clock.advance(61)
    assert await bench.ports.queue.start_due() == 1


async def test_a_campaign_that_is_resumed_after_its_time_is_sent_at_once(
    bench: Bench, pause: PauseCampaign, resume: ResumeCampaign
) -> None:
    number = await in_state(bench, SCHEDULED)
    await pause(number)
    bench.ports.clock.advance(60)

    campaign = await resume(number)

    assert campaign.state is SENDING
    assert campaign.started_at == NOW + 60


@pytest.mark.parametrize("state", [SCHEDULED, SENDING])
async def test_resuming_a_campaign_that_is_not_paused_changes_nothing(
    bench: Bench, resume: ResumeCampaign, state: CampaignState
) -> None:
    number = await in_state(bench, state)
    before = await bench.ports.campaigns.get(number)

    assert await resume(number) == before


async def test_a_campaign_whose_last_request_ended_while_it_was_paused_is_complete_on_resuming(
    bench: Bench, pause: PauseCampaign, resume: ResumeCampaign
) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    await bench.record(step)
    await pause(number)
    await bench.record(accepted(step, request))
    assert await bench.state(number) is PAUSED

    campaign = await resume(number)

    assert campaign.state is COMPLETED
    assert campaign.counts[MessageState.ACCEPTED] == 2


@pytest.mark.parametrize("state", [SCHEDULED, SENDING, PAUSED])
async def test_a_cancelled_campaign_sends_nothing_more(
    bench: Bench, cancel: CancelCampaign, state: CampaignState
) -> None:
    number = await in_state(bench, state)

    campaign = await cancel(number, reason="too late")

    assert standing(campaign) == (CANCELLED, "cancelled by CancelCampaign: too late")
    assert campaign.ended_at == NOW
    assert campaign.counts[MessageState.CANCELLED] == campaign.counts.total == 3
    assert await bench.claim() == []


async def test_cancelling_leaves_what_is_in_flight_to_end(
    bench: Bench, cancel: CancelCampaign
) -> None:
    number = await bench.campaign(3)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    await bench.record(step)

    campaign = await cancel(number)

    assert campaign.counts[MessageState.SENDING] == 2
    assert campaign.counts[MessageState.CANCELLED] == 1
    assert await bench.record(accepted(step, request)) == [True]
    assert await bench.counts(number) == {
        MessageState.ACCEPTED: 2,
        MessageState.CANCELLED: 1,
    }


async def test_cancelling_a_cancelled_campaign_changes_nothing(
    bench: Bench, cancel: CancelCampaign
) -> None:
    number = await in_state(bench, CANCELLED)
    before = await bench.ports.campaigns.get(number)
    bench.ports.clock.advance(10)

    assert await cancel(number, reason="again") == before


@pytest.mark.parametrize(("state", "how"), [(COMPLETED, "is completed"), (FAILED, "has failed")])
async def test_a_campaign_that_is_completed_or_has_failed_cannot_be_cancelled(
    bench: Bench, cancel: CancelCampaign, state: CampaignState, how: str
) -> None:
    number = await in_state(bench, state)

    with pytest.raises(NotPossibleNow, match=f"{how} and cannot be cancelled") as caught:
        await cancel(number)

    assert caught.value.reason == "CAMPAIGN_ENDED"


async def test_a_campaign_that_is_not_there_is_not_found(
    pause: PauseCampaign, resume: ResumeCampaign, cancel: CancelCampaign, resolve: ResolveUnknown
) -> None:
    for call in (pause(NOBODYS), resume(NOBODYS), cancel(NOBODYS), resolve(NOBODYS, resend=True)):
        with pytest.raises(NotFound) as caught:
            await call
        assert (caught.value.kind, caught.value.name) == ("campaign", str(NOBODYS))


async def test_unknown_messages_are_sent_again_in_a_campaign_that_goes_on(
    bench: Bench, resolve: ResolveUnknown
) -> None:
    number = await bench.lost(3)
    assert await bench.counts(number) == {MessageState.UNKNOWN: 3}

    resolved = await resolve(number, resend=True, ordinals=[0, 2])

    assert (resolved.resolved, resolved.skipped) == (2, 0)
    assert resolved.campaign.state is SENDING
    assert resolved.campaign.counts[MessageState.QUEUED] == 2
    assert await bench.counts(number) == {MessageState.QUEUED: 2, MessageState.UNKNOWN: 1}


async def test_unknown_messages_are_given_up_and_what_is_not_unknown_is_left_alone(
    bench: Bench, resolve: ResolveUnknown
) -> None:
    number = await bench.lost(3)
    await resolve(number, resend=False, ordinals=[1])

    resolved = await resolve(number, resend=False, ordinals=[1, 2])

    assert (resolved.resolved, resolved.skipped) == (1, 1)
    assert await bench.counts(number) == {MessageState.CANCELLED: 2, MessageState.UNKNOWN: 1}


async def test_nothing_is_sent_again_after_send_before_and_it_may_be_given_up(
    bench: Bench, resolve: ResolveUnknown
) -> None:
    number = await lost_before(bench, NOW + 60)
    bench.ports.clock.advance(60)

    with pytest.raises(NotPossibleNow) as caught:
        await resolve(number, resend=True)
    resolved = await resolve(number, resend=False)

    assert caught.value.reason == "SEND_BEFORE_PASSED"
    assert resolved.resolved == 1
    assert await bench.counts(number) == {MessageState.CANCELLED: 1}
