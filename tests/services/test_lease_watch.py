"""Who could not renew leases does not take others for gone, since they could not either."""

import asyncio
from itertools import pairwise

import pytest

from domain.message import MessageState
from services.dispatcher import Dispatcher
from services.lease_watch import LeaseWatch
from tests.adapters.fake_transport import FakeTransport
from tests.contracts.bench import Bench, accepted, posting
from tests.contracts.ports import NOW, over_fake
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store
from tests.fakes.work_queue import FakeWorkQueue
from tests.services.dispatching import dispatch_over
from tests.support import eventually

LEASE = 8.0


@pytest.mark.parametrize(
    ("renewals", "asked", "may"),
    [
        ([], 0.0, True),
        ([0.0], 0.0, True),
        ([0.0, 1.0, 2.0], 2.0, True),
        ([0.0, 8.0], 8.0, True),
        # Somebody else may have been just as unlucky.
        ([0.0, 8.5], 8.5, False),
        ([0.0, 8.5, 9.5], 16.0, False),
        ([0.0, 8.5, 9.5], 16.5, True),
        # The clock was put forward, and then back.
        ([0.0, 3600.0], 3600.0, False),
        ([0.0, 3600.0, 1.0], 1.0, True),
        ([0.0, -3600.0], -3600.0, True),
    ],
)
def test_others_are_given_a_lease_s_time_to_renew_theirs(
    renewals: list[float], asked: float, may: bool
) -> None:
    watch = LeaseWatch(lease_seconds=LEASE)
    for at in renewals:
        watch.renewed(NOW + at)
    assert watch.may_take_over(NOW + asked) is may


def test_who_always_renews_in_time_always_may() -> None:
    watch = LeaseWatch(lease_seconds=LEASE)
    for _, at in pairwise(range(0, 1000, 7)):
        watch.renewed(NOW + at)
        assert watch.may_take_over(NOW + at)


class TendedQueue(FakeWorkQueue):
    """Counts how often a worker has looked at leases and schedules."""

    tended = 0

    async def start_due(self) -> int:
        started = await super().start_due()
        self.tended += 1
        return started


async def test_a_clock_put_forward_takes_nothing_from_a_worker_that_lives() -> None:
    store = Store(FakeClock(NOW))
    bench = await Bench.on(over_fake(store))
    number = await bench.campaign(1)
    (claim,) = await bench.claim("alive")
    step, request = posting(claim, 0)
    await bench.record(step)
    queue = TendedQueue(store)
    dispatch = dispatch_over(bench.ports, FakeTransport())
    worker = Dispatcher(
        name="w",
        queue=queue,
        campaigns=bench.ports.campaigns,
        dispatch=dispatch,
        clock=store.clock,
    )
    stopping = asyncio.Event()
    running = asyncio.create_task(worker.run(stopping))
    await eventually(lambda: queue.tended > 0)
    store.clock.advance(3600)
    looked = queue.tended
    await eventually(lambda: queue.tended > looked)
    assert await bench.record(accepted(step, request)) == [True]
    assert await bench.counts(number) == {MessageState.ACCEPTED: 1}
    stopping.set()
    await running
