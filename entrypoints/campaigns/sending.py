"""SendCampaign, SendCampaignStream and PreviewCampaign."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from entrypoints.campaigns.arguments import missing
from entrypoints.campaigns.intake import first_of_stream, of_one_message, rest_of_stream
from entrypoints.convert.campaign import read_draft, read_recipients, read_spec, to_campaign
from entrypoints.convert.faults import to_warnings
from entrypoints.convert.preview import to_preview
from entrypoints.errors import Context
from espalier.v1 import campaign_pb2, common_pb2
from services.preview_campaign import PreviewCampaign
from services.send_campaign import SendCampaign


class Sending:
    """Takes campaigns in, and shows what they would be."""

    def __init__(self, send: SendCampaign, preview: PreviewCampaign) -> None:
        self._send = send
        self._preview = preview

    async def send(
        self, request: campaign_pb2.SendCampaignRequest
    ) -> campaign_pb2.SendCampaignResponse:
        spec, faults = read_spec(_given(request))
        async with aclosing(of_one_message(request.recipients)) as recipients:
            sent = await self._send(spec, recipients, faults=faults)
        return campaign_pb2.SendCampaignResponse(
            campaign=to_campaign(sent.campaign),
            already_existed=sent.already_existed,
            warnings=to_warnings(sent.advice),
        )

    async def send_stream(
        self, requests: AsyncIterator[campaign_pb2.SendCampaignStreamRequest], context: Context
    ) -> campaign_pb2.SendCampaignStreamResponse:
        async def ask_client() -> None:
            await context.send_initial_metadata(())

        spec, faults = read_spec(await first_of_stream(requests))
        async with aclosing(rest_of_stream(requests, ask_client)) as recipients:
            sent = await self._send(spec, recipients, faults=faults)
        return campaign_pb2.SendCampaignStreamResponse(
            campaign=to_campaign(sent.campaign),
            already_existed=sent.already_existed,
            warnings=to_warnings(sent.advice),
        )

    async def preview(
        self, request: campaign_pb2.PreviewCampaignRequest
    ) -> campaign_pb2.PreviewCampaignResponse:
        draft = read_draft(_given(request))
        preview = await self._preview(draft, read_recipients(request.recipients))
        return to_preview(preview, [recipient.email for recipient in request.recipients])


def _given(
    request: campaign_pb2.SendCampaignRequest | campaign_pb2.PreviewCampaignRequest,
) -> common_pb2.CampaignSpec:
    if not request.HasField("campaign"):
        raise missing("campaign", "give the campaign that the recipients are to get")
    return request.campaign
