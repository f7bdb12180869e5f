"""The services of the API over the parts of a process."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import grpc.aio
from google.protobuf.descriptor import FileDescriptor

from entrypoints.bootstrap import Parts
from entrypoints.campaign_service import CampaignService
from entrypoints.event_service import EventService
from entrypoints.provider_service import ProviderService
from entrypoints.serve.api import Servicer
from entrypoints.suppression_service import SuppressionService
from espalier.v1 import (
    campaign_pb2,
    campaign_pb2_grpc,
    event_pb2,
    event_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
    suppression_pb2,
    suppression_pb2_grpc,
)
from services.addresses import Addresses
from services.configure_provider import ConfigureProvider
from services.ports import Transport
from services.preview_campaign import PreviewCampaign
from services.read_events import ReadEvents
from services.replay_callbacks import ReplayCallbacks
from services.simulate_callback import SimulateCallback

T = TypeVar("T")


def servicers(
    parts: Parts, transport: Transport, *, public_base_url: str, stopping: asyncio.Event
) -> Sequence[Servicer]:
    """All of them. Callback URLs start with `public_base_url`; streams end with `stopping`."""
    return [
        _servicer(
            provider_pb2.DESCRIPTOR,
            provider_pb2_grpc.add_ProviderServiceServicer_to_server,
            ProviderService(
                configure=ConfigureProvider(parts.providers, unreadable_keys=parts.unreadable_keys),
                send_test=parts.send_test_email(transport),
                providers=parts.providers,
                clock=parts.clock,
                public_base_url=public_base_url,
            ),
        ),
        _servicer(
            campaign_pb2.DESCRIPTOR,
            campaign_pb2_grpc.add_CampaignServiceServicer_to_server,
            _campaigns(parts, stopping),
        ),
        _servicer(
            event_pb2.DESCRIPTOR,
            event_pb2_grpc.add_EventServiceServicer_to_server,
            _events(parts, stopping),
        ),
        _servicer(
            suppression_pb2.DESCRIPTOR,
            suppression_pb2_grpc.add_SuppressionServiceServicer_to_server,
            SuppressionService(
                suppressions=parts.suppressions, message_ids=parts.message_ids, clock=parts.clock
            ),
        ),
    ]


def _campaigns(parts: Parts, stopping: asyncio.Event) -> CampaignService:
    preview = PreviewCampaign(
        providers=parts.providers, suppressions=parts.suppressions, message_ids=parts.message_ids
    )
    return CampaignService(
        send=parts.send_campaign(),
        preview=preview,
        campaigns=parts.campaigns,
        providers=parts.providers,
        log=parts.log,
        search=parts.search,
        esp_messages=parts.esp_messages,
        message_ids=parts.message_ids,
        clock=parts.clock,
        stopping=stopping,
    )


def _events(parts: Parts, stopping: asyncio.Event) -> EventService:
    read = ReadEvents(
        log=parts.log,
        search=parts.search,
        addresses=Addresses(parts.campaigns, parts.tests),
        message_ids=parts.message_ids,
        clock=parts.clock,
    )
    read_webhook = parts.read_webhook()
    return EventService(
        read=read,
        simulate=SimulateCallback(
            providers=parts.providers,
            read=read_webhook,
            message_ids=parts.message_ids,
            clock=parts.clock,
        ),
        replay=ReplayCallbacks(
            providers=parts.providers, kept=parts.kept_requests, read=read_webhook, log=parts.log
        ),
        message_ids=parts.message_ids,
        clock=parts.clock,
        stopping=stopping,
    )


def _servicer(
    file: FileDescriptor, add: Callable[[T, grpc.aio.Server], None], servicer: T
) -> Servicer:
    (service,) = file.services_by_name.values()
    return Servicer(name=service.full_name, add=lambda server: add(servicer, server))
