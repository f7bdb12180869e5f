"""Decides about messages whose outcome was lost."""

from collections.abc import Collection
from dataclasses import dataclass

from domain.errors import NotPossibleNow
from services.ports import Campaign, CampaignRepository, Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """How many messages were unknown and are no longer; how many of those named were not unknown.

    `campaign` is as it stands after that.
    """

    campaign: Campaign
    resolved: int
    skipped: int


class ResolveUnknown:
    """Sends unknown messages again, or gives them up: all of a campaign, or those of `ordinals`.

    Raises NotFound; NotPossibleNow for a resend in a campaign that was cancelled or has failed, or
    whose `send_before` has passed, since none of it would leave.
    """

    def __init__(self, campaigns: CampaignRepository, clock: Clock) -> None:
        self._campaigns = campaigns
        self._clock = clock

    async def __call__(
        self, number: int, *, resend: bool, ordinals: Collection[int] | None = None
    ) -> Resolved:
        if resend:
            await self._raise_if_too_late(number)
        resolved, skipped = await self._campaigns.resolve_unknown(
            number, resend=resend, ordinals=ordinals
        )
        campaign = await self._campaigns.get(number)
        return Resolved(campaign=campaign, resolved=resolved, skipped=skipped)

    async def _raise_if_too_late(self, number: int) -> None:
        send_before = (await self._campaigns.get(number)).spec.send_before
        if send_before is not None and send_before <= self._clock.now():
            text = f"the send_before of campaign {number} has passed; give its messages up instead"
            raise NotPossibleNow(text, reason="SEND_BEFORE_PASSED")
