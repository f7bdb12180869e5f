"""`espalier.v1.CampaignService`: takes campaigns in, and tells what became of every message."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from domain.message_id import MessageIds
from entrypoints.campaigns.changing import Changing
from entrypoints.campaigns.messages import Messages
from entrypoints.campaigns.reading import Reading
from entrypoints.campaigns.sending import Sending
from entrypoints.errors import Context
from espalier.v1 import campaign_pb2, campaign_pb2_grpc
from services.change_campaign import CancelCampaign, PauseCampaign, ResumeCampaign
from services.ports import (
    CampaignRepository,
    Clock,
    EspMessages,
    EventLog,
    EventSearch,
    ProviderRepository,
)
from services.preview_campaign import PreviewCampaign
from services.read_message import ReadMessage
from services.resolve_unknown import ResolveUnknown
from services.send_campaign import SendCampaign
from services.watch_campaign import WatchCampaign


class CampaignService(campaign_pb2_grpc.CampaignServiceServicer):
    """Hands each call to what it is about. Watches end once `stopping` is set."""

    def __init__(
        self,
        *,
        send: SendCampaign,
        preview: PreviewCampaign,
        campaigns: CampaignRepository,
        providers: ProviderRepository,
        log: EventLog,
        search: EventSearch,
        esp_messages: EspMessages,
        message_ids: MessageIds,
        clock: Clock,
        stopping: asyncio.Event,
    ) -> None:
        self._sending = Sending(send, preview)
        self._reading = Reading(
            campaigns=campaigns, providers=providers, watch=WatchCampaign(campaigns, stopping)
        )
        self._changing = Changing(
            pause=PauseCampaign(campaigns),
            resume=ResumeCampaign(campaigns, clock),
            cancel=CancelCampaign(campaigns),
            resolve=ResolveUnknown(campaigns, clock),
            message_ids=message_ids,
        )
        read = ReadMessage(
            campaigns=campaigns,
            log=log,
            search=search,
            esp_messages=esp_messages,
            message_ids=message_ids,
        )
        self._messages = Messages(campaigns=campaigns, read=read, message_ids=message_ids)

    async def SendCampaign(
        self, request: campaign_pb2.SendCampaignRequest, context: Context
    ) -> campaign_pb2.SendCampaignResponse:
        return await self._sending.send(request)

    async def SendCampaignStream(
        self,
        request_iterator: AsyncIterator[campaign_pb2.SendCampaignStreamRequest],
        context: Context,
    ) -> campaign_pb2.SendCampaignStreamResponse:
        return await self._sending.send_stream(request_iterator, context)

    async def PreviewCampaign(
        self, request: campaign_pb2.PreviewCampaignRequest, context: Context
    ) -> campaign_pb2.PreviewCampaignResponse:
        return await self._sending.preview(request)

    async def GetCampaign(
        self, request: campaign_pb2.GetCampaignRequest, context: Context
    ) -> campaign_pb2.GetCampaignResponse:
        return await self._reading.get(request)

    async def ListCampaigns(
        self, request: campaign_pb2.ListCampaignsRequest, context: Context
    ) -> campaign_pb2.ListCampaignsResponse:
        return await self._reading.list(request)

    async def WatchCampaign(
        self, request: campaign_pb2.WatchCampaignRequest, context: Context
    ) -> AsyncGenerator[campaign_pb2.WatchCampaignResponse, None]:
        async with aclosing(self._reading.watch(request)) as responses:
            async for response in responses:
                yield response

    async def PauseCampaign(
        self, request: campaign_pb2.PauseCampaignRequest, context: Context
    ) -> campaign_pb2.PauseCampaignResponse:
        return await self._changing.pause(request)

    async def ResumeCampaign(
        self, request: campaign_pb2.ResumeCampaignRequest, context: Context
    ) -> campaign_pb2.ResumeCampaignResponse:
        return await self._changing.resume(request)

    async def CancelCampaign(
        self, request: campaign_pb2.CancelCampaignRequest, context: Context
    ) -> campaign_pb2.CancelCampaignResponse:
        return await self._changing.cancel(request)

    async def ListMessages(
        self, request: campaign_pb2.ListMessagesRequest, context: Context
    ) -> campaign_pb2.ListMessagesResponse:
        return await self._messages.list(request)

    async def GetMessage(
        self, request: campaign_pb2.GetMessageRequest, context: Context
    ) -> campaign_pb2.GetMessageResponse:
        return await self._messages.get(request)

    async def ResolveUnknownMessages(
        self, request: campaign_pb2.ResolveUnknownMessagesRequest, context: Context
    ) -> campaign_pb2.ResolveUnknownMessagesResponse:
        return await self._changing.resolve(request)
