"""A worker whose queue is busy at first, over memory."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from domain.errors import TryLater
from domain.message import MessageState
from services.ports import Claim
from tests.adapters.fake_transport import FakeTransport
from tests.contracts.bench import Bench
from tests.contracts.ports import NOW, over_fake
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store
from tests.fakes.work_queue import FakeWorkQueue
from tests.services.dispatching import dispatch_over, worker_over
from tests.support import eventually


class BusyAtFirst(FakeWorkQueue):
    """Its database is busy when the first claims are asked for."""

    busy = 2

    async def claim(self, worker: str, *, limit: int, lease_seconds: float) -> Sequence[Claim]:
        if self.busy:
            self.busy -= 1
            raise TryLater("busy")
        return await super().claim(worker, limit=limit, lease_seconds=lease_seconds)


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
