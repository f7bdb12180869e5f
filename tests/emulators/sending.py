"""Campaigns through a running service to an emulator, by a preset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.json_format import ParseDict

from entrypoints.cli.provider_file import read_provider_text
from entrypoints.presets import all_presets
from entrypoints.presets.filling import fill
from espalier.v1 import campaign_pb2, common_pb2, provider_pb2
from tests.adapters.transport_server import Received
from tests.e2e.api import Api
from tests.emulators.passage import Passage
from tests.emulators.sample import CAMPAIGN, PEOPLE, UNSUBSCRIBE_URL
from tests.support import eventually


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A campaign that the ESP took whole: what GetMessage says, by address, and the requests."""

    messages: Mapping[str, campaign_pb2.Message]
    requests: Sequence[Received]


async def configure(
    api: Api, preset: str, settings: Mapping[str, str], *, to: Passage, esp_message_id: str
) -> None:
    """The preset as it is, but for the host that it sends to.

    With `esp_message_id` the service keeps what the ESP calls its messages.
    """
    (found,) = (each for each in all_presets() if each.name == preset)
    filled = fill(found, {**settings, "unsubscribe_url": UNSUBSCRIBE_URL}, {})
    provider = read_provider_text(filled.text, Path(preset), filled.environment).provider
    provider.http_endpoint = to.url + urlsplit(provider.http_endpoint).path
    provider.webhook.esp_message_id = esp_message_id
    await api.providers.ConfigureProvider(provider_pb2.ConfigureProviderRequest(provider=provider))


async def send(
    api: Api, provider: str, passage: Passage, people: Sequence[Mapping[str, Any]] = PEOPLE
) -> Sent:
    """The sample's campaign, or the same to other people."""
    before = len(passage.requests)
    campaign_id = await begin(api, provider, f"{provider}-{before}", people)
    await eventually(lambda: api.has_ended(campaign_id), 30)
    assert await api.counts(campaign_id) == {"accepted": len(people)}
    return Sent(messages=await _messages(api, campaign_id), requests=passage.requests[before:])


async def begin(
    api: Api, provider: str, request_id: str, people: Sequence[Mapping[str, Any]] = PEOPLE
) -> str:
    """The campaign's id, when it has only just begun."""
    spec = {**CAMPAIGN, "provider": provider, "request_id": request_id}
    request = campaign_pb2.SendCampaignRequest(
        campaign=ParseDict(spec, common_pb2.CampaignSpec()),
        recipients=[ParseDict(dict(each), common_pb2.Recipient()) for each in people],
    )
    return (await api.campaigns.SendCampaign(request)).campaign.campaign_id


async def _messages(api: Api, campaign_id: str) -> Mapping[str, campaign_pb2.Message]:
    listing = campaign_pb2.ListMessagesRequest(campaign_id=campaign_id, page_size=1000)
    listed = (await api.campaigns.ListMessages(listing)).messages
    asked = [campaign_pb2.GetMessageRequest(message_id=each.message_id) for each in listed]
    told = [(await api.campaigns.GetMessage(each)).message for each in asked]
    return {each.email: each for each in told}
