"""What the shell completes from the running service: providers and campaigns.

A service that does not answer at once completes nothing: the Tab key never waits for long.
"""

from __future__ import annotations

import os
from typing import Any, Final, cast

import grpc
import typer

from entrypoints.cli.client import CHANNEL_OPTIONS, DEFAULT_ADDRESS
from entrypoints.cli.output import enum_text
from espalier.v1 import campaign_pb2, campaign_pb2_grpc, provider_pb2, provider_pb2_grpc

_SECONDS: Final = 1.0
# Of campaigns the newest are wanted; of providers there are few.
_CAMPAIGNS: Final = 20
_PROVIDERS: Final = 1_000

Choices = list[tuple[str, str]]
"""Values, each with what the shell shows beside it."""


def nicknames(context: typer.Context, incomplete: str) -> Choices:
    """Return the nicknames of providers that begin with what is typed."""
    request = provider_pb2.ListProvidersRequest(page_size=_PROVIDERS)
    answer = _ask(context, provider_pb2_grpc.ProviderServiceStub, "ListProviders", request)
    found = answer.providers if answer else ()
    return [
        (provider.nickname, provider.http_endpoint)
        for provider in found
        if provider.nickname.startswith(incomplete)
    ]


def campaign_ids(context: typer.Context, incomplete: str) -> Choices:
    """Return the ids of the newest campaigns that begin with what is typed."""
    request = campaign_pb2.ListCampaignsRequest(page_size=_CAMPAIGNS)
    answer = _ask(context, campaign_pb2_grpc.CampaignServiceStub, "ListCampaigns", request)
    found = answer.campaigns if answer else ()
    return [
        (
            campaign.campaign_id,
            f"{enum_text(campaign, 'state')}: {campaign.name or campaign.subject}",
        )
        for campaign in found
        if campaign.campaign_id.startswith(incomplete)
    ]


def _ask(context: typer.Context, stub: Any, rpc: str, request: object) -> Any:
    """Return the rpc's answer, None where there is none."""
    address = context.params.get("address") or os.environ.get("ESPALIER_ADDRESS") or DEFAULT_ADDRESS
    with grpc.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        try:
            return getattr(stub(cast(Any, channel)), rpc)(request, timeout=_SECONDS)
        except grpc.RpcError:
            return None
