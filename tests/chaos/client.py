"""A client of the API that outlives the service: it asks again until it is answered."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

import grpc
import grpc.aio

from espalier.v1 import campaign_pb2, common_pb2, provider_pb2
from espalier.v1.campaign_pb2_grpc import CampaignServiceStub
from espalier.v1.provider_pb2_grpc import ProviderServiceStub
from tests.support import eventually

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")

_CALL_SECONDS = 10.0
# Many restarts long: the service comes back, or something is wrong.
_PATIENCE_SECONDS = 60.0
_PAGE = 1000
_UNKNOWN = campaign_pb2.MESSAGE_STATE_UNKNOWN
_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_http_proxy", 0),
]
# What a service that dies, or is not there yet, makes of a call.
_ASK_AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class Refused(AssertionError):
    """A call was answered with an error that no kill explains."""

    def __init__(self, request: str, error: grpc.aio.AioRpcError) -> None:
        super().__init__(f"{request} was answered {error.code().name}: {error.details()}")
        self.code = error.code()


class Client:
    """Every call is one that may be repeated: SendCampaign is, by its request_id."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._campaigns = CampaignServiceStub(channel)
        self._providers = ProviderServiceStub(channel)

    async def configure(self, provider: provider_pb2.Provider) -> None:
        request = provider_pb2.ConfigureProviderRequest(provider=provider)
        await _patiently(self._providers.ConfigureProvider, request)

    async def send(self, spec: common_pb2.CampaignSpec, emails: Iterable[str]) -> str:
        """The id of the campaign, once the service has acknowledged it."""
        recipients = [common_pb2.Recipient(email=email) for email in emails]
        request = campaign_pb2.SendCampaignRequest(campaign=spec, recipients=recipients)
        answer = await _patiently(self._campaigns.SendCampaign, request)
        return answer.campaign.campaign_id

    async def campaign(self, campaign_id: str) -> campaign_pb2.Campaign | None:
        """None where the service does not know it."""
        request = campaign_pb2.GetCampaignRequest(campaign_id=campaign_id)
        try:
            return (await _patiently(self._campaigns.GetCampaign, request)).campaign
        except Refused as refused:
            if refused.code is grpc.StatusCode.NOT_FOUND:
                return None
            raise

    async def messages(
        self, campaign_id: str, *, unknown: bool = False
    ) -> list[campaign_pb2.Message]:
        request = campaign_pb2.ListMessagesRequest(
            campaign_id=campaign_id, states=[_UNKNOWN] if unknown else [], page_size=_PAGE
        )
        messages: list[campaign_pb2.Message] = []
        while True:
            page = await _patiently(self._campaigns.ListMessages, request)
            messages += page.messages
            if not page.next_page_token:
                return messages
            request.page_token = page.next_page_token

    async def resend_unknown(self, campaign_id: str) -> None:
        request = campaign_pb2.ResolveUnknownMessagesRequest(
            campaign_id=campaign_id, action=campaign_pb2.UNKNOWN_MESSAGE_ACTION_RESEND
        )
        await _patiently(self._campaigns.ResolveUnknownMessages, request)


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Client]:
    async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
        yield Client(channel)


async def _patiently(
    rpc: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response], request: _Request
) -> _Response:
    async def answers() -> list[_Response]:
        try:
            return [await rpc(request, timeout=_CALL_SECONDS, wait_for_ready=True)]
        except grpc.aio.AioRpcError as error:
            if error.code() not in _ASK_AGAIN:
                raise Refused(type(request).__name__, error) from error
            return []

    try:
        (answer,) = await eventually(answers, _PATIENCE_SECONDS)
    except AssertionError:
        text = f"the service has not answered for {_PATIENCE_SECONDS:g} s: {type(request).__name__}"
        raise AssertionError(text) from None
    return answer
