"""What a client of a running service calls."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio

from espalier.v1 import campaign_pb2, campaign_pb2_grpc, common_pb2, provider_pb2, provider_pb2_grpc

_CHUNK = 1000
_MESSAGE = (
    '{"to": "$$To", "mid": "$$MessageID", "name": "$$FromName", "from": "$$FromAddress",'
    ' "subject": "$$Subject", "html": "$$HTML"}'
)
_PREFIX = "CAMPAIGN_STATE_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The calls, with what is the same in all tests filled in."""

    campaigns: campaign_pb2_grpc.CampaignServiceStub
    providers: provider_pb2_grpc.ProviderServiceStub

    async def configure(
        self, url: str, *, nickname: str = "acme", batch: int = 0, **limits: Any
    ) -> provider_pb2.Provider:
        """With `batch`, so many messages a request."""
        provider = provider_pb2.Provider(
            nickname=nickname,
            request_type=provider_pb2.REQUEST_TYPE_POST,
            http_endpoint=url,
            parameters=f'{{"messages": [{_MESSAGE}]}}' if batch else _MESSAGE,
            limits=provider_pb2.Limits(**limits),
        )
        if batch:
            provider.batch.max_messages = batch
        request = provider_pb2.ConfigureProviderRequest(provider=provider)
        return (await self.providers.ConfigureProvider(request)).provider

    async def send(self, name: str, number: int, **fields: Any) -> str:
        """The id of a campaign to so many `people` of this name; fields as in CampaignSpec."""
        requests = _requests(_spec(name, fields), people(name, number))
        answer = await self.campaigns.SendCampaignStream(requests)
        return answer.campaign.campaign_id

    async def campaign(self, campaign_id: str) -> campaign_pb2.Campaign:
        request = campaign_pb2.GetCampaignRequest(campaign_id=campaign_id)
        return (await self.campaigns.GetCampaign(request)).campaign

    async def state(self, campaign_id: str) -> str:
        name = campaign_pb2.CampaignState.Name((await self.campaign(campaign_id)).state)
        return name.removeprefix(_PREFIX)

    async def counts(self, campaign_id: str) -> dict[str, int]:
        """The counts that are not 0, without the total."""
        counts = (await self.campaign(campaign_id)).counts
        return {
            field.name: number for field, number in counts.ListFields() if field.name != "total"
        }

    async def has_ended(self, campaign_id: str) -> bool:
        return await self.state(campaign_id) in ("COMPLETED", "CANCELLED", "FAILED")

    async def pause(self, campaign_id: str) -> None:
        request = campaign_pb2.PauseCampaignRequest(campaign_id=campaign_id)
        await self.campaigns.PauseCampaign(request)

    async def resume(self, campaign_id: str) -> None:
        request = campaign_pb2.ResumeCampaignRequest(campaign_id=campaign_id)
        await self.campaigns.ResumeCampaign(request)

    async def cancel(self, campaign_id: str) -> None:
        request = campaign_pb2.CancelCampaignRequest(campaign_id=campaign_id)
        await self.campaigns.CancelCampaign(request)


def people(name: str, number: int) -> list[str]:
    return [f"{name}-{i}@example.com" for i in range(number)]


def _spec(name: str, fields: dict[str, Any]) -> common_pb2.CampaignSpec:
    common = {
        "request_id": name,
        "provider": "acme",
        "subject": "s",
        "from_name": "A",
        "from_address": "a@example.com",
        "html": "<p>",
    }
    return common_pb2.CampaignSpec(**{**common, **fields})


def _requests(
    spec: common_pb2.CampaignSpec, emails: list[str]
) -> Iterator[campaign_pb2.SendCampaignStreamRequest]:
    yield campaign_pb2.SendCampaignStreamRequest(campaign=spec)
    for start in range(0, len(emails), _CHUNK):
        some = [common_pb2.Recipient(email=email) for email in emails[start : start + _CHUNK]]
        chunk = campaign_pb2.RecipientChunk(recipients=some)
        yield campaign_pb2.SendCampaignStreamRequest(recipients=chunk)


@asynccontextmanager
async def api_at(address: str) -> AsyncIterator[Api]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield Api(
            campaigns=campaign_pb2_grpc.CampaignServiceStub(channel),
            providers=provider_pb2_grpc.ProviderServiceStub(channel),
        )
