"""A worker over a queue on a SQLite file and over one in memory, posting to memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from domain.campaign import CampaignState
from domain.message import MessageState
from domain.provider import Limits
from services.dispatcher import Dispatcher
from tests.adapters.fake_transport import ACCEPTED as OK
from tests.adapters.fake_transport import FakeTransport
from tests.contracts.bench import Bench
from tests.contracts.ports import NOW, over_fake, over_sql
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store
from tests.services.dispatching import dispatch_over, provider_config, worker_over
from tests.support import eventually

ACCEPTED = MessageState.ACCEPTED


@pytest.fixture(params=["sql", "fake"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "fake":
        yield await _batching(await Bench.on(over_fake(Store(FakeClock(NOW)))))
        return
    async with over_sql(tmp_path) as ports:
        yield await _batching(await Bench.on(ports))


async def _batching(bench: Bench) -> Bench:
    config = provider_config(batch=1000)
    bench.provider, _ = await bench.ports.providers.configure("acme", lambda _: config)
    return bench


def dispatcher(bench: Bench, transport: FakeTransport) -> Dispatcher:
    return worker_over(bench.ports, dispatch_over(bench.ports, transport))


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
    assert [await bench.counts(n) for n in numbers] == [{ACCEPTED: 2500}, {ACCEPTED: 1}]
    assert len(transport.requests) == 4


async def test_an_orderly_stop_waits_for_what_is_in_flight(bench: Bench) -> None:
    number = await bench.campaign(1)
    transport = FakeTransport()
    transport.hold()
    stopping = asyncio.Event()
    running = asyncio.create_task(dispatcher(bench, transport).run(stopping))
    await eventually(lambda: len(transport.requests) == 1)
    stopping.set()
    transport.release()
    await running
    assert await bench.counts(number) == {ACCEPTED: 1}
    assert await bench.state(number) is CampaignState.COMPLETED


async def test_a_worker_takes_over_what_another_one_left(bench: Bench) -> None:
    number = await bench.campaign(1)
    await bench.claim("gone")
    bench.ports.clock.advance(11)

    async def ended() -> bool:
        return (await bench.state(number)).ended

    await while_running(dispatcher(bench, FakeTransport()), ended)
    assert await bench.counts(number) == {ACCEPTED: 1}


async def test_a_small_campaign_waits_for_no_chunk_of_a_large_one(bench: Bench) -> None:
    """The ESP answers none of the large one's requests until the small one is sent."""
    config = provider_config(batch=1000, limits=Limits(max_in_flight=64, timeout_seconds=60.0))
    await bench.ports.providers.configure("acme", lambda _: config)
    large = await bench.campaign(9_000)
    transport = FakeTransport()
    transport.hold()
    worker, stopping = dispatcher(bench, transport), asyncio.Event()
    running = asyncio.create_task(worker.run(stopping))
    await eventually(lambda: len(transport.requests) == 4)
    small = await bench.campaign(1)

    await eventually(lambda: len(transport.requests) == 5)
    sizes = [len(orjson.loads(one.body or b"")["msgs"]) for one in transport.requests]
    transport.release()

    async def all_ended() -> bool:
        return all([(await bench.state(n)).ended for n in (large, small)])

    await eventually(all_ended, 30)
    stopping.set()
    await running
    assert sizes == [1000, 1000, 1000, 1000, 1]


async def test_a_provider_that_does_not_answer_keeps_no_other_waiting(bench: Bench) -> None:
    limits = Limits(max_in_flight=64, timeout_seconds=2.0)
    config = provider_config(batch=1000, limits=limits)
    slow = replace(config, http_endpoint="https://slow.example.com/")
    await bench.ports.providers.configure("acme", lambda _: slow)
    stuck = await bench.campaign(9_000)
    transport = FakeTransport(lambda one: None if "slow" in one.url else OK)
    worker, stopping = dispatcher(bench, transport), asyncio.Event()
    running = asyncio.create_task(worker.run(stopping))
    await eventually(lambda: len(transport.requests) == 4)
    fast = replace(config, nickname="fast")
    bench.provider, _ = await bench.ports.providers.configure("fast", lambda _: fast)
    quick = await bench.campaign(9_000)

    async def has_ended() -> bool:
        return (await bench.state(quick)).ended

    await eventually(has_ended, 30)
    urls = [one.url for one in transport.requests]
    stopping.set()
    await running
    assert urls[:4] == [slow.http_endpoint] * 4
    assert urls[4:13] == [config.http_endpoint] * 9
    assert not (await bench.state(stuck)).ended
