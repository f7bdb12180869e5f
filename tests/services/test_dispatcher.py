"""A worker over the real queue on a SQLite file, posting to a transport in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.campaign import CampaignState
from domain.message import MessageState
from domain.message_id import MessageIds
from domain.provider import Batch, Provider, ProviderConfig, RequestType
from domain.suppression import Suppression
from services.dispatch import DispatchChunk
from services.dispatcher import Dispatcher
from services.journal import Journal
from services.post_request import PostRequest
from tests.adapters.fake_transport import FakeTransport
from tests.contracts.test_work_queue import Bench
from tests.services.dispatching import BATCHED
from tests.support import eventually


@dataclass
class OneProvider:
    """The provider that the campaigns are sent through, without limits or suppressions."""

    provider: Provider

    async def by_id(self, provider_id: int) -> Provider:
        return self.provider

    async def reserve(self, provider_id: int, *, requests: int, messages: int) -> float:
        return 0.0

    async def suppressed(self, keys: Collection[str]) -> Mapping[str, Suppression]:
        return {}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "dispatcher.db")
    await made.open()
    yield made
    await made.database.close()


def dispatcher(bench: Bench, transport: FakeTransport) -> Dispatcher:
    config = ProviderConfig(
        nickname="acme",
        request_type=RequestType.POST,
        http_endpoint="https://api.example.com/send",
        parameters=BATCHED,
        batch=Batch(max_messages=1000),
    )
    one = OneProvider(
        Provider(
            provider_id=1,
            version=1,
            config=config,
            callback_token="t",
            created_at=0.0,
            updated_at=0.0,
        )
    )
    post = PostRequest(
        transport=transport,
        limiter=one,
        providers=one,  # type: ignore[arg-type]  # The calls that a dispatch makes, and no others.
        campaigns=bench.campaigns,
        clock=bench.clock,
        chance=lambda: 0.5,
    )
    dispatch = DispatchChunk(
        journal=Journal(bench.queue),
        providers=one,  # type: ignore[arg-type]  # As above.
        suppressions=one,  # type: ignore[arg-type]  # As above.
        post=post,
        message_ids=MessageIds(b"k" * 32),
        clock=bench.clock,
    )
    return Dispatcher(name="w", queue=bench.queue, dispatch=dispatch)


async def while_running(worker: Dispatcher, condition: Callable[[], Awaitable[bool]]) -> None:
    """Runs the worker until the condition holds, then stops it in order."""
    stopping = asyncio.Event()
    running = asyncio.create_task(worker.run(stopping))
    await eventually(condition)
    stopping.set()
    await running


async def test_a_worker_sends_all_that_is_due_and_ends_the_campaigns(bench: Bench) -> None:
    numbers = [await bench.campaign(2500), await bench.campaign(1)]
    transport = FakeTransport()

    async def all_ended() -> bool:
        return all([(await bench.state(n)).ended for n in numbers])

    await while_running(dispatcher(bench, transport), all_ended)
    assert [await bench.counts(n) for n in numbers] == [
        {MessageState.ACCEPTED: 2500},
        {MessageState.ACCEPTED: 1},
    ]
    assert len(transport.requests) == 4


async def test_an_orderly_stop_waits_for_what_is_in_flight(bench: Bench) -> None:
    number = await bench.campaign(1)
    transport = FakeTransport()
    transport.hold()
    stopping = asyncio.Event()
    running = asyncio.create_task(dispatcher(bench, transport).run(stopping))

    async def posted() -> bool:
        return len(transport.requests) == 1

    await eventually(posted)
    stopping.set()
    transport.release()
    await running
    assert await bench.counts(number) == {MessageState.ACCEPTED: 1}
    assert await bench.state(number) is CampaignState.COMPLETED


async def test_a_worker_takes_over_what_another_one_left(bench: Bench) -> None:
    number = await bench.campaign(1)
    await bench.claim("gone")
    bench.clock.advance(11)

    async def ended() -> bool:
        return (await bench.state(number)).ended

    await while_running(dispatcher(bench, FakeTransport()), ended)
    assert await bench.counts(number) == {MessageState.ACCEPTED: 1}
