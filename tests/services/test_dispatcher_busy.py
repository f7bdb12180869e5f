"""A worker whose queue is busy at first, over memory."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace

from domain.errors import TryLater
from domain.http import HttpResponse
from domain.message import MessageState
from services.ports import Claim
from tests.adapters.fake_transport import FakeTransport
from tests.contracts.bench import Bench
from tests.contracts.ports import NOW, over_fake
from tests.fakes.clock import FakeClock
from tests.fakes.provider_repository import FakeProviderRepository
from tests.fakes.store import Store
from tests.fakes.work_queue import FakeWorkQueue
from tests.services.dispatching import dispatch_over, open_world, worker_over
from tests.support import eventually


class BusyAtFirst(FakeWorkQueue):
    """Its database is busy when the first claims are asked for."""

    busy = 2

    async def claim(
        self,
        worker: str,
        *,
        limit: int,
        lease_seconds: float,
        small_only: bool = False,
        busy: Collection[int] = (),
    ) -> Sequence[Claim]:
        if self.busy:
            self.busy -= 1
            raise TryLater("busy")
        return await super().claim(
            worker, limit=limit, lease_seconds=lease_seconds, small_only=small_only, busy=busy
        )


async def test_a_worker_outlives_a_database_that_is_busy() -> None:
    store = Store(FakeClock(NOW))
    bench = await Bench.on(over_fake(store))
    number = await bench.campaign(1)
    queue = BusyAtFirst(store)
    ports = replace(bench.ports, queue=queue)
    worker = worker_over(ports, dispatch_over(ports, FakeTransport()))
    stopping = asyncio.Event()
    running = asyncio.create_task(worker.run(stopping))

    async def ended() -> bool:
        return (await bench.state(number)).ended

    await eventually(ended)
    stopping.set()
    await running
    assert queue.busy == 0
    assert await bench.counts(number) == {MessageState.ACCEPTED: 1}


class BusyWhenPaused(FakeProviderRepository):
    """Its database is busy when a pause is to be stored, at first."""

    busy = 2

    async def pause(self, provider_id: int, *, until: float, reason: str) -> None:
        if self.busy:
            self.busy -= 1
            raise TryLater("busy")
        await super().pause(provider_id, until=until, reason=reason)


async def test_a_pause_that_finds_the_database_busy_cancels_no_other_request() -> None:
    world = await open_world(4)
    providers = BusyWhenPaused(world.store)
    paused = HttpResponse(status=429, headers=(("Retry-After", "5"),))
    # The others are still on their way then, and their answers never come.
    world.transport.then(paused, None, None, None)
    ports = replace(world.ports, providers=providers)
    await dispatch_over(ports, world.transport)(await world.claim(), world.stopping)
    assert providers.busy == 0
    assert await world.states() == {MessageState.UNKNOWN: 3, MessageState.QUEUED: 1}
    assert await world.reasons() == {"ANSWER_LOST"}
    assert (await world.provider()).paused_until == world.clock.now() + 5
    assert world.chunk.in_doubt() == ()
