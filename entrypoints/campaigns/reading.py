"""GetCampaign, ListCampaigns and WatchCampaign."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from entrypoints.campaigns.arguments import Faults, campaign_number, last_seen, refused
from entrypoints.convert.campaign import CAMPAIGN_STATES, to_campaign
from entrypoints.convert.times import duration_fault, from_duration
from entrypoints.paging import Paging
from espalier.v1 import campaign_pb2
from services.ports import CampaignRepository, ProviderRepository
from services.watch_campaign import WatchCampaign

PAGING = Paging(listing="campaigns", default=50, most=1000)
DEFAULT_INTERVAL_SECONDS = 0.5
# Each look is a query; below ten a second nobody sees a difference.
_LEAST_INTERVAL_SECONDS, _MOST_INTERVAL_SECONDS = 0.1, 60.0


class Reading:
    """Shows campaigns with their counts."""

    def __init__(
        self,
        *,
        campaigns: CampaignRepository,
        providers: ProviderRepository,
        watch: WatchCampaign,
    ) -> None:
        self._campaigns = campaigns
        self._providers = providers
        self._watch = watch

    async def get(
        self, request: campaign_pb2.GetCampaignRequest
    ) -> campaign_pb2.GetCampaignResponse:
        campaign = await self._campaigns.get(campaign_number(request.campaign_id))
        return campaign_pb2.GetCampaignResponse(campaign=to_campaign(campaign))

    async def list(
        self, request: campaign_pb2.ListCampaignsRequest
    ) -> campaign_pb2.ListCampaignsResponse:
        faults = Faults()
        size = faults.read(lambda: PAGING.size(request.page_size), 0)
        before = faults.read(lambda: last_seen(PAGING, request.page_token), None)
        states = faults.read(lambda: CAMPAIGN_STATES.read_all(request.states, "states"), ())
        faults.raise_if_any()
        found = await self._campaigns.list(
            before=before,
            limit=size + 1,
            provider_id=await self._provider_id(request.provider),
            states=states,
        )
        page, token = PAGING.page(found, size, lambda campaign: str(campaign.number))
        return campaign_pb2.ListCampaignsResponse(
            campaigns=[to_campaign(campaign) for campaign in page], next_page_token=token
        )

    async def watch(
        self, request: campaign_pb2.WatchCampaignRequest
    ) -> AsyncGenerator[campaign_pb2.WatchCampaignResponse, None]:
        faults = Faults()
        number = faults.read(lambda: campaign_number(request.campaign_id), 0)
        interval = faults.read(lambda: _interval(request), 0.0)
        faults.raise_if_any()
        async with aclosing(self._watch(number, interval_seconds=interval)) as campaigns:
            async for campaign in campaigns:
                yield campaign_pb2.WatchCampaignResponse(campaign=to_campaign(campaign))

    async def _provider_id(self, nickname: str) -> int | None:
        return (await self._providers.get(nickname)).provider_id if nickname else None


def _interval(request: campaign_pb2.WatchCampaignRequest) -> float:
    if not request.HasField("interval"):
        return DEFAULT_INTERVAL_SECONDS
    fault = duration_fault(request.interval, "interval")
    seconds = from_duration(request.interval)
    if fault is not None or not _LEAST_INTERVAL_SECONDS <= seconds <= _MOST_INTERVAL_SECONDS:
        message = "is out of range; give 100 ms to 60 s, or leave it out for 500 ms"
        raise refused("interval", "OUT_OF_RANGE", message)
    return seconds
