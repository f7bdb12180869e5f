"""A worker whose machine's clock jumps by an hour, while it sends and while it waits."""

import asyncio
from typing import Any

import pytest

from domain.campaign import DeliveryGuarantee
from domain.http import HttpRequest, HttpResponse
from domain.message import MessageState
from domain.provider import Limits
from tests.services.dispatching import LEASE, World, is_done, open_world
from tests.support import eventually

ACCEPTED, QUEUED, UNKNOWN = MessageState.ACCEPTED, MessageState.QUEUED, MessageState.UNKNOWN
HOUR = 3600.0


async def world_of_today(people: int, **more: Any) -> World:
    """`open_world` begins in 1970, before which its clock cannot be put back."""
    world = await open_world(people, **more)
    world.clock.advance(1e9)
    return world


async def jump_in_flight(world: World, seconds: float) -> None:
    """The clock jumps while requests are on their way; then another worker takes over."""
    world.transport.hold()
    sending = asyncio.create_task(world.dispatch())
    await eventually(lambda: len(world.transport.requests) == 4)
    world.clock.advance(seconds)
    await world.ports.queue.recover()
    world.transport.release()
    await sending
    for claim in await world.ports.queue.claim("next", limit=1, lease_seconds=LEASE):
        await world.dispatch(claim)


async def test_forward_at_most_once_sends_nothing_twice() -> None:
    world = await world_of_today(8)
    await jump_in_flight(world, HOUR)
    assert await world.states() == {UNKNOWN: 4, ACCEPTED: 4}
    assert len(set(world.keys())) == len(world.keys()) == 8


async def test_forward_at_least_once_leaves_nobody_out() -> None:
    world = await world_of_today(8, guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    await jump_in_flight(world, HOUR)
    assert await world.states() == {ACCEPTED: 8}
    # The four in flight went out once more, under the keys that they had.
    assert len(world.keys()) == 12
    assert len(set(world.keys())) == 8


@pytest.mark.parametrize("guarantee", DeliveryGuarantee)
async def test_back_the_worker_goes_on_as_if_nothing_had_been(
    guarantee: DeliveryGuarantee,
) -> None:
    world = await world_of_today(8, guarantee=guarantee)
    await jump_in_flight(world, -HOUR)
    assert await world.states() == {ACCEPTED: 8}
    assert len(set(world.keys())) == len(world.keys()) == 8


async def test_back_a_retry_and_a_pause_are_due_at_once() -> None:
    world = await world_of_today(3)
    patience = HttpResponse(status=429, headers=(("Retry-After", "30"),))
    world.transport.then(patience, HttpResponse(status=503))
    await world.dispatch()
    waiting = (await world.states())[QUEUED]
    assert waiting >= 2
    world.clock.advance(-HOUR)
    await world.ports.queue.recover()
    await world.dispatch()
    assert await world.states() == {ACCEPTED: 3}
    assert is_done(world)


async def test_back_a_round_ends_and_who_was_suppressed_meanwhile_gets_nothing() -> None:
    def put_back(_: HttpRequest) -> HttpResponse:
        if len(world.transport.requests) == 1:
            world.clock.advance(-HOUR)
        return HttpResponse(status=202)

    world = await world_of_today(8, limits=Limits(max_in_flight=1), answer=put_back)
    world.transport.hold()
    sending = asyncio.create_task(world.dispatch())
    await eventually(lambda: len(world.transport.requests) == 1)
    await world.suppress("p7@example.com")
    world.transport.release()
    await sending
    assert await world.states() == {ACCEPTED: 7, MessageState.SUPPRESSED: 1}
