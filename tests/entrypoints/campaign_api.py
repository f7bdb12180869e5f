"""CampaignService on a gRPC server of a test's own, over SQL in a SQLite file."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio

from adapters.spooled_ledger import SpooledAddressLedger
from domain.campaign import CampaignSpec, Recipient
from domain.errors import Violation
from domain.message_id import MessageIds
from entrypoints.campaign_service import CampaignService
from espalier.v1 import campaign_pb2, campaign_pb2_grpc, common_pb2
from services.preview_campaign import PreviewCampaign
from services.send_campaign import SendCampaign, Sent
from tests.contracts.bench import Bench
from tests.contracts.ports import Ports, over_sql
from tests.entrypoints.api_server import channel_to

IDS = MessageIds(b"k" * 32)


class CountedSend(SendCampaign):
    """Counts its calls, and the recipients that reached it."""

    begun = ended = received = 0

    async def __call__(
        self,
        spec: CampaignSpec,
        recipients: AsyncIterator[Sequence[Recipient]],
        *,
        faults: Sequence[Violation] = (),
    ) -> Sent:
        self.begun += 1
        try:
            return await super().__call__(spec, self._counted(recipients), faults=faults)
        finally:
            self.ended += 1

    async def _counted(
        self, recipients: AsyncIterator[Sequence[Recipient]]
    ) -> AsyncIterator[Sequence[Recipient]]:
        async for some in recipients:
            self.received += len(some)
            yield some


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignApi:
    """What a client calls, and what stands behind it: a provider called acme."""

    stub: campaign_pb2_grpc.CampaignServiceStub
    bench: Bench
    send: CountedSend
    stopping: asyncio.Event

    @property
    def ports(self) -> Ports:
        return self.bench.ports


@asynccontextmanager
async def campaign_api(folder: Path) -> AsyncIterator[CampaignApi]:
    async with over_sql(folder) as ports:
        stopping = asyncio.Event()
        bench = await Bench.on(ports)
        send = CountedSend(
            campaigns=ports.campaigns,
            providers=ports.providers,
            new_ledger=SpooledAddressLedger,
            clock=ports.clock,
        )
        service = service_over(ports, send, stopping)

        def add(server: grpc.aio.Server) -> None:
            campaign_pb2_grpc.add_CampaignServiceServicer_to_server(service, server)

        async with channel_to(add) as channel:
            stub = campaign_pb2_grpc.CampaignServiceStub(channel)
            yield CampaignApi(stub=stub, bench=bench, send=send, stopping=stopping)


def service_over(ports: Ports, send: SendCampaign, stopping: asyncio.Event) -> CampaignService:
    return CampaignService(
        send=send,
        preview=PreviewCampaign(
            providers=ports.providers, suppressions=ports.suppressions, message_ids=IDS
        ),
        campaigns=ports.campaigns,
        providers=ports.providers,
        log=ports.log,
        search=ports.search,
        esp_messages=ports.esp_messages,
        message_ids=IDS,
        clock=ports.clock,
        stopping=stopping,
    )


def spec(request_id: str = "r-1") -> common_pb2.CampaignSpec:
    return common_pb2.CampaignSpec(
        request_id=request_id,
        provider="Acme",
        name="Spring",
        subject="Hello $$name",
        from_name="Shop",
        from_address="shop@example.com",
        html="<p>Hi</p>",
    )


def people(number: int) -> list[common_pb2.Recipient]:
    return [common_pb2.Recipient(email=f"p{i}@example.com", name=f"P{i}") for i in range(number)]


def whole(number: int = 3, request_id: str = "r-1") -> campaign_pb2.SendCampaignRequest:
    return campaign_pb2.SendCampaignRequest(campaign=spec(request_id), recipients=people(number))
