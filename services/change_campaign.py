"""Pauses, resumes and cancels campaigns."""

from domain.campaign import CampaignState
from domain.errors import NotPossibleNow
from services.ports import Campaign, CampaignRepository, Clock


class PauseCampaign:
    """Stops sending; what is in flight ends. A paused campaign stays as it is, reason and all.

    Raises NotFound, and NotPossibleNow for a campaign that has ended.
    """

    def __init__(self, campaigns: CampaignRepository) -> None:
        self._campaigns = campaigns

    async def __call__(self, number: int, *, reason: str = "") -> Campaign:
        def pause(state: CampaignState) -> tuple[CampaignState, str] | None:
            _raise_if_ended(number, state, "paused")
            if state is CampaignState.PAUSED:
                return None
            return CampaignState.PAUSED, _said("paused by PauseCampaign", reason)

        return await self._campaigns.change_state(number, pause)


class ResumeCampaign:
    """Goes on with a paused campaign; one that is not paused stays as it is.

    Raises NotFound, and NotPossibleNow for a campaign that has ended.
    """

    def __init__(self, campaigns: CampaignRepository, clock: Clock) -> None:
        self._campaigns = campaigns
        self._clock = clock

    async def __call__(self, number: int) -> Campaign:
        # Nobody changes it once the campaign is accepted, so that it may be read beforehand.
        send_at = (await self._campaigns.get(number)).spec.send_at
        waits = send_at is not None and send_at > self._clock.now()

        def resume(state: CampaignState) -> tuple[CampaignState, str] | None:
            _raise_if_ended(number, state, "resumed")
            if state is not CampaignState.PAUSED:
                return None
            return CampaignState.SCHEDULED if waits else CampaignState.SENDING, ""

        return await self._campaigns.change_state(number, resume)


class CancelCampaign:
    """Ends a campaign for good; what is in flight ends. A cancelled campaign stays as it is.

    Raises NotFound, and NotPossibleNow for a campaign that is completed or has failed.
    """

    def __init__(self, campaigns: CampaignRepository) -> None:
        self._campaigns = campaigns

    async def __call__(self, number: int, *, reason: str = "") -> Campaign:
        def cancel(state: CampaignState) -> tuple[CampaignState, str] | None:
            if state is CampaignState.CANCELLED:
                return None
            _raise_if_ended(number, state, "cancelled")
            return CampaignState.CANCELLED, _said("cancelled by CancelCampaign", reason)

        return await self._campaigns.change_state(number, cancel)


def _said(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what


def _raise_if_ended(number: int, state: CampaignState, what: str) -> None:
    if state.ended:
        how = "has failed" if state is CampaignState.FAILED else f"is {state.value.lower()}"
        text = f"campaign {number} {how} and cannot be {what}; send a new one instead"
        raise NotPossibleNow(text, reason="CAMPAIGN_ENDED")
