"""A disk that is full, and a database that is locked, while a campaign is sent: real processes.

The service waits, says why, and goes on by itself; nothing is lost, doubled or half stored.
"""

import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import grpc.aio
import pytest

from entrypoints.simulated_esp import Behaviour, EspSettings, SimulatedEsp
from espalier.v1 import campaign_pb2, campaign_pb2_grpc, provider_pb2, provider_pb2_grpc
from tests.e2e.serving import Served, environment, serving
from tests.entrypoints.campaign_api import whole
from tests.support import eventually

MESSAGES = 200
# So that the campaign is in the middle when trouble comes; afterwards it may be as fast as it can.
MESSAGES_A_SECOND, FAST = 20, 10_000
COMPLETED = campaign_pb2.CAMPAIGN_STATE_COMPLETED
CALLBACK = {
    "version": "v2",
    "events": {"success": [{"type": "delivered", "email": "p", "meta": "m"}]},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A service with one provider, which is a simulated ESP."""

    served: Served
    esp: SimulatedEsp
    channel: grpc.aio.Channel
    database: Path
    callback_url: str

    @property
    def campaigns(self) -> campaign_pb2_grpc.CampaignServiceStub:
        return campaign_pb2_grpc.CampaignServiceStub(self.channel)

    async def send(self, messages: int, request_id: str) -> str:
        request = whole(messages, request_id)
        return (await self.campaigns.SendCampaign(request)).campaign.campaign_id

    async def campaign(self, campaign_id: str) -> campaign_pb2.Campaign:
        request = campaign_pb2.GetCampaignRequest(campaign_id=campaign_id)
        return (await self.campaigns.GetCampaign(request)).campaign

    async def says(self, campaign_id: str, words: str) -> bool:
        return words in (await self.campaign(campaign_id)).state_reason

    async def is_completed(self, campaign_id: str) -> bool:
        return (await self.campaign(campaign_id)).state == COMPLETED

    async def post_callback(self) -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.callback_url, json=CALLBACK) as answer,
        ):
            return answer.status

    async def readiness(self) -> str:
        url = f"{self.served.url}/readyz"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return str((await answer.json())["status"])

    async def is_not_ready_for(self, reason: str) -> bool:
        return reason in await self.readiness()

    async def is_ready(self) -> bool:
        return await self.readiness() == "ready"

    def taken(self) -> int:
        return int(self.esp.counts()["messages"]["accepted"])

    async def all_arrive_once(self, campaign_id: str) -> None:
        await configure(self.channel, self.esp, max_requests_per_second=FAST)
        await eventually(lambda: self.is_completed(campaign_id), 60)
        campaign = await self.campaign(campaign_id)
        assert campaign.counts.accepted == campaign.counts.total == MESSAGES
        assert campaign.state_reason == ""
        messages = self.esp.counts()["messages"]
        assert (messages["accepted"], messages["distinct"]) == (MESSAGES, MESSAGES)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    settings = environment(tmp_path)
    async with (
        SimulatedEsp(EspSettings(), Behaviour()) as esp,
        serving(settings) as served,
        grpc.aio.insecure_channel(served.grpc_address) as channel,
    ):
        configured = await configure(channel, esp, max_requests_per_second=MESSAGES_A_SECOND)
        yield World(
            served=served,
            esp=esp,
            channel=channel,
            database=tmp_path / "espalier.db",
            callback_url=configured.callback_url,
        )


async def configure(
    channel: grpc.aio.Channel, esp: SimulatedEsp, *, max_requests_per_second: float
) -> provider_pb2.Provider:
    provider = provider_pb2.Provider(
        nickname="acme",
        request_type=provider_pb2.REQUEST_TYPE_POST,
        http_endpoint=f"{esp.url}/send",
        parameters='{"to": "$$To", "subject": "$$Subject", "name": "$$FromName", '
        '"from": "$$FromAddress", "html": "$$HTML", "mid": "$$MessageID"}',
        limits=provider_pb2.Limits(max_requests_per_second=max_requests_per_second),
    )
    request = provider_pb2.ConfigureProviderRequest(provider=provider)
    stub = provider_pb2_grpc.ProviderServiceStub(channel)
    return (await stub.ConfigureProvider(request)).provider


@contextmanager
def no_room(served: Served) -> Iterator[None]:
    """No process of the service can write to a file: what a full disk is to it, but for its name.

    A limit of a process that runs is set from outside, and can be taken back.
    """
    processes = [served.process.pid, *served.dispatchers(), *served.receivers()]
    _, most = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)
    for pid in processes:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        for pid in processes:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))


async def test_a_full_disk_stops_a_campaign_and_room_lets_it_go_on(world: World) -> None:
    campaign_id = await world.send(MESSAGES, "first")
    await eventually(lambda: world.taken() > 5, 30)
    with no_room(world.served):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await world.send(1, "second")
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "its disk is full, at a limit, or fails; try again" in (
            refused.value.details() or ""
        )
        assert await world.post_callback() == 503
        await eventually(lambda: world.says(campaign_id, "waiting: the database cannot be"), 30)
        await eventually(lambda: world.is_not_ready_for("its disk is full"), 30)
        assert world.taken() < MESSAGES
    await world.all_arrive_once(campaign_id)
    assert await world.post_callback() == 200
    await eventually(world.is_ready, 30)
    # Of the one that did not fit nothing is left, and it can be sent again.
    listed = await world.campaigns.ListCampaigns(campaign_pb2.ListCampaignsRequest())
    assert [one.campaign_id for one in listed.campaigns] == [campaign_id]
    again = await world.send(1, "second")
    await eventually(lambda: world.is_completed(again), 60)
    _, said = await world.served.stop()
    assert "the database cannot be written" in said
    assert "the database can be written again" in said


async def test_a_database_that_is_locked_stops_a_campaign_until_it_is_not(world: World) -> None:
    campaign_id = await world.send(MESSAGES, "first")
    await eventually(lambda: world.taken() > 5, 30)
    with closing(sqlite3.connect(world.database, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        words = "waiting: the database cannot be written: another process holds its write lock"
        await eventually(lambda: world.says(campaign_id, words), 30)
        reason = "another process holds its write lock"
        await eventually(lambda: world.is_not_ready_for(reason), 30)
        assert world.taken() < MESSAGES
        other.execute("ROLLBACK")
    await world.all_arrive_once(campaign_id)
    await eventually(world.is_ready, 30)
