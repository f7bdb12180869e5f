"""ESPs that cannot be reached, or answer as no ESP should: real libcurl against real sockets.

The campaign says what it waits for, and goes on by itself once the ESP is mended; nobody is lost.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.curl import CurlOptions, CurlTransport
from domain.campaign import CampaignState, DeliveryGuarantee
from domain.circuit import LONGEST_WAIT, CircuitState
from domain.message import MessageState
from domain.provider import Limits
from tests.adapters.transport_server import (
    Behaviour,
    Connection,
    RawServer,
    Received,
    answering,
    breaking_off_after,
    raw_server,
)
from tests.adapters.transport_tls import new_authority
from tests.services.dispatching import LEASE, World, dispatch_over, open_world
from tests.support import free_port

ACCEPTED, QUEUED, UNKNOWN = MessageState.ACCEPTED, MessageState.QUEUED, MessageState.UNKNOWN
PEOPLE = 30
LIMITS = Limits(max_in_flight=16, timeout_seconds=10.0)
# What is waited for in the tests of an ESP that never ends its answer.
IMPATIENT = replace(LIMITS, timeout_seconds=0.3)
GARBAGE = bytes(range(256))


async def byte_by_byte(_: Received, connection: Connection) -> None:
    """One byte of the answer after the other, far more slowly than anybody waits for its end."""
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + GARBAGE[:99]:
        if connection.writer.is_closing():
            return
        connection.writer.write(bytes([byte]))
        await connection.writer.drain()
        await asyncio.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Esp:
    """A world whose provider is whatever listens at a URL."""

    world: World
    transport: CurlTransport

    async def work(self) -> None:
        """A worker sends what is due."""
        for claim in await self.world.ports.queue.claim("w", limit=1, lease_seconds=LEASE):
            await dispatch_over(self.world.ports, self.transport)(claim, self.world.stopping)

    async def work_on(self) -> None:
        """A worker sends until there is nothing left."""
        while not (await self.world.campaign()).state.ended:
            self.world.clock.advance(LONGEST_WAIT)
            await self.work()

    async def waits_for(self, words: str) -> None:
        """Both the campaign and its provider say so."""
        campaign, provider = await self.world.campaign(), await self.world.provider()
        assert campaign.state is CampaignState.SENDING
        assert campaign.state_reason.startswith("waiting: ")
        assert "; the next try is at " in campaign.state_reason
        assert words in campaign.state_reason
        assert provider.circuit.state(self.world.clock.now()) is CircuitState.OPEN
        assert words in provider.circuit.reason


@pytest.fixture
async def transport() -> AsyncIterator[CurlTransport]:
    made = CurlTransport(CurlOptions(user_agent="x"))
    yield made
    await made.close()


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server() as running:
        yield running


async def esp_at(
    url: str,
    transport: CurlTransport,
    *,
    limits: Limits = LIMITS,
    guarantee: DeliveryGuarantee = DeliveryGuarantee.AT_MOST_ONCE,
) -> Esp:
    world = await open_world(PEOPLE, limits=limits, guarantee=guarantee)
    await world.move_endpoint(url)
    return Esp(world, transport)


def nowhere() -> str:
    return f"http://127.0.0.1:{free_port()}/send"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            lambda: "http://no-such-host.invalid/send",
            "could not find the address of no-such-host.invalid; check the name and this machine's",
        ),
        (nowhere, "Connection refused"),
    ],
    ids=["DNS fails", "nobody listens"],
)
async def test_an_esp_that_is_not_there_is_waited_for_and_named(
    url: Callable[[], str], words: str, transport: CurlTransport, server: RawServer
) -> None:
    esp = await esp_at(url(), transport)
    await esp.work()
    await esp.waits_for(words)
    assert await esp.world.states() == {QUEUED: PEOPLE}
    await esp.world.move_endpoint(server.url())
    await esp.work_on()
    assert await esp.world.states() == {ACCEPTED: PEOPLE}
    assert len(server.received) == PEOPLE


async def test_an_esp_whose_certificate_is_not_trusted_gets_nothing(
    transport: CurlTransport, server: RawServer, tmp_path: Path
) -> None:
    authority = new_authority(tmp_path)
    async with raw_server(authority.server_context(tmp_path)) as impostor:
        esp = await esp_at(impostor.url(), transport)
        await esp.work()
        await esp.waits_for(f"no TLS connection to 127.0.0.1:{impostor.port}: ")
        assert impostor.received == []
    assert await esp.world.states() == {QUEUED: PEOPLE}
    await esp.world.move_endpoint(server.url())
    await esp.work_on()
    assert await esp.world.states() == {ACCEPTED: PEOPLE}


LOST: list[tuple[Behaviour, str]] = [
    (byte_by_byte, "no complete answer from 127.0.0.1:"),
    (answering(GARBAGE), "answered with something that is not HTTP"),
    (breaking_off_after(b""), "ended the connection without an answer"),
    (breaking_off_after(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"), "broke off"),
]
NAMES = ["one byte at a time", "no HTTP", "no answer", "half an answer"]


@pytest.mark.parametrize(("behaviour", "words"), LOST, ids=NAMES)
async def test_an_answer_that_never_comes_whole_is_lost_and_nothing_is_sent_twice(
    behaviour: Behaviour, words: str, transport: CurlTransport, server: RawServer
) -> None:
    server.behaviour = behaviour
    esp = await esp_at(server.url(), transport, limits=IMPATIENT)
    await esp.work()
    await esp.waits_for(words)
    lost = len(server.received)
    assert 10 <= lost <= LIMITS.max_in_flight + 10
    assert await esp.world.states() == {UNKNOWN: lost, QUEUED: PEOPLE - lost}
    server.behaviour = answering(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
    await esp.work_on()
    assert await esp.world.states() == {UNKNOWN: lost, ACCEPTED: PEOPLE - lost}
    assert len(server.received) == PEOPLE


@pytest.mark.parametrize(("behaviour", "words"), LOST, ids=NAMES)
async def test_at_least_once_sends_it_again_once_the_esp_is_mended(
    behaviour: Behaviour, words: str, transport: CurlTransport, server: RawServer
) -> None:
    server.behaviour = behaviour
    guarantee = DeliveryGuarantee.AT_LEAST_ONCE
    esp = await esp_at(server.url(), transport, limits=IMPATIENT, guarantee=guarantee)
    await esp.work()
    await esp.waits_for(words)
    assert await esp.world.states() == {QUEUED: PEOPLE}
    server.behaviour = answering(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
    await esp.work_on()
    assert await esp.world.states() == {ACCEPTED: PEOPLE}
    assert len({received.body for received in server.received}) == PEOPLE


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 256\r\n\r\n" + GARBAGE,
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{]\xff",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
    ids=["binary", "broken JSON", "nothing"],
)
async def test_a_status_of_2xx_is_acceptance_whatever_stands_in_the_body(
    answer: bytes, transport: CurlTransport, server: RawServer
) -> None:
    server.behaviour = answering(answer)
    esp = await esp_at(server.url(), transport)
    await esp.work()
    campaign = await esp.world.campaign()
    assert await esp.world.states() == {ACCEPTED: PEOPLE}
    assert (campaign.state, campaign.state_reason) == (CampaignState.COMPLETED, "")
    assert (await esp.world.provider()).circuit.failures == 0
