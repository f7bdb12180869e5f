"""What becomes of messages when the transport of their worker breaks."""

import pytest

from domain.campaign import CampaignState, DeliveryGuarantee
from domain.http import HttpRequest, HttpResponse, TransportBroken
from domain.message import MessageState
from domain.provider import Limits
from tests.adapters.fake_transport import FakeTransport
from tests.services.dispatching import (
    LEASE,
    World,
    dispatch_over,
    is_done,
    open_world,
    worker_over,
)

ONCE = Limits(max_attempts=1, max_in_flight=2)


def broken(_: HttpRequest) -> HttpResponse:
    raise TransportBroken("the transport has failed")


async def run_a_worker(world: World) -> None:
    worker = worker_over(world.ports, dispatch_over(world.ports, world.transport))
    await worker.run(world.stopping)


@pytest.mark.parametrize("guarantee", DeliveryGuarantee)
async def test_a_broken_transport_ends_its_worker_and_rejects_no_message(
    guarantee: DeliveryGuarantee,
) -> None:
    world = await open_world(5, answer=broken, limits=ONCE, guarantee=guarantee)

    with pytest.raises(ExceptionGroup) as ended:
        await run_a_worker(world)

    assert ended.group_contains(TransportBroken)
    # Another worker can go on with it.
    assert (await world.campaign()).state is CampaignState.SENDING
    assert MessageState.REJECTED not in await world.states()
    assert sum((await world.states()).values()) == 5
    assert await world.entries() == []


async def test_the_next_worker_sends_what_the_broken_one_had_not() -> None:
    limits = Limits(max_attempts=2, max_in_flight=2)
    repeated = DeliveryGuarantee.AT_LEAST_ONCE
    world = await open_world(5, answer=broken, limits=limits, guarantee=repeated)
    with pytest.raises(ExceptionGroup):
        await run_a_worker(world)

    world.clock.advance(2 * LEASE)
    await world.ports.queue.recover()
    transport = FakeTransport()
    await dispatch_over(world.ports, transport)(await world.claim(), world.stopping)

    assert await world.states() == {MessageState.ACCEPTED: 5}
    assert is_done(world)
    assert len(transport.requests) == 5
