"""Follows a campaign until it has ended."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from domain.errors import NotFound, TryLater
from services.ports import Campaign, CampaignRepository


class WatchCampaign:
    """The campaign at once, then after each change; the last one has ended.

    At least `interval_seconds` lie between two. Bodies and replacements are left out. Raises
    NotFound, and TryLater once `stopping` is set: a watch may last for days, and a process that
    stops does not wait for it.
    """

    def __init__(self, campaigns: CampaignRepository, stopping: asyncio.Event) -> None:
        self._campaigns = campaigns
        self._stopping = stopping

    async def __call__(
        self, number: int, *, interval_seconds: float
    ) -> AsyncGenerator[Campaign, None]:
        shown: Campaign | None = None
        while True:
            campaign = await self._read(number)
            if campaign != shown:
                yield campaign
                shown = campaign
            if campaign.state.ended:
                return
            await self._pause(interval_seconds)

    async def _read(self, number: int) -> Campaign:
        """As in a listing, without the bodies: several times a second they would cost too much."""
        for campaign in await self._campaigns.list(before=number + 1, limit=1):
            if campaign.number == number:
                return campaign
        raise NotFound("campaign", str(number))

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        if self._stopping.is_set():
            raise TryLater("the service is shutting down; call again")
