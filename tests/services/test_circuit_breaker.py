"""An ESP that is down: it is left alone, asked now and then, and nobody's message pays for it."""

import pytest

from domain.campaign import CampaignState, DeliveryGuarantee
from domain.circuit import FAILURES_TO_OPEN, FIRST_WAIT, LONGEST_WAIT, CircuitState
from domain.http import AnswerLost, HttpRequest, HttpResponse, NotSent
from domain.message import MessageState
from domain.provider import Limits
from tests.adapters.fake_transport import Answer
from tests.services.dispatching import LEASE, World, open_world

ACCEPTED, QUEUED, UNKNOWN = MessageState.ACCEPTED, MessageState.QUEUED, MessageState.UNKNOWN
HOURS = 3600.0
DOWN = HttpResponse(status=503, body=b"maintenance")
PLACES = 4
# One after the other, and with next to no patience: what the outage costs shows at once.
STRICT = Limits(max_in_flight=1, max_attempts=2, retry_deadline_seconds=60.0)
ESP_IS_DOWN: list[Answer] = [DOWN, NotSent("refused"), HttpResponse(status=408)]


async def state_of(world: World) -> CircuitState:
    return (await world.provider()).circuit.state(world.clock.now())


async def work(world: World, *, seconds: float) -> None:
    """A worker looks for something to do every second of so many."""
    end = world.clock.now() + seconds
    while world.clock.now() < end:
        for claim in await world.ports.queue.claim("w", limit=1, lease_seconds=LEASE):
            await world.dispatch(claim)
        world.clock.advance(1)


@pytest.mark.parametrize("answer", ESP_IS_DOWN, ids=str)
async def test_an_esp_that_fails_for_all_is_left_alone_after_ten_failures(answer: Answer) -> None:
    world = await open_world(100, limits=Limits(max_in_flight=PLACES))
    world.transport.then(*[answer] * 100)
    await world.dispatch()
    assert await state_of(world) is CircuitState.OPEN
    failed = (await world.provider()).circuit.failures
    # The tenth failure finds others in flight, never more than there are places.
    assert FAILURES_TO_OPEN <= failed < FAILURES_TO_OPEN + PLACES
    assert await world.states() == {QUEUED: 100}
    assert await world.ports.queue.claim("w", limit=1, lease_seconds=LEASE) == []


async def test_while_it_is_open_nothing_is_sent_and_then_one_request_at_a_time() -> None:
    world = await open_world(100, limits=Limits(max_in_flight=PLACES), answer=lambda _: DOWN)
    await world.dispatch()
    sent = len(world.transport.requests)
    await work(world, seconds=FIRST_WAIT)
    assert len(world.transport.requests) == sent
    await work(world, seconds=1)
    assert len(world.transport.requests) == sent + 1


async def test_a_success_closes_it_and_all_are_delivered() -> None:
    world = await open_world(100, limits=Limits(max_in_flight=PLACES))
    world.transport.then(*[DOWN] * 30)
    await work(world, seconds=LONGEST_WAIT * 20)
    assert await state_of(world) is CircuitState.CLOSED
    assert await world.states() == {ACCEPTED: 100}
    assert await world.reasons() == set()
    assert (await world.campaign()).state is CampaignState.COMPLETED


@pytest.mark.parametrize("answer", ESP_IS_DOWN, ids=str)
async def test_an_outage_of_hours_costs_no_message_an_attempt_or_its_deadline(
    answer: Answer,
) -> None:
    world = await open_world(30, limits=STRICT)
    world.transport.then(*[answer] * 200)
    await work(world, seconds=2 * HOURS)
    assert await state_of(world) is not CircuitState.CLOSED
    assert await world.states() == {QUEUED: 30}
    assert {request.attempts for request in world.chunk.requests} == {1}
    await work(world, seconds=2 * HOURS)
    assert await world.states() == {ACCEPTED: 30}


async def test_at_least_once_gives_nothing_up_though_no_answer_comes_for_hours() -> None:
    world = await open_world(30, limits=STRICT, guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    world.transport.then(*[AnswerLost("reset")] * 100)
    await work(world, seconds=3 * HOURS)
    assert await world.states() == {ACCEPTED: 30}


async def test_answers_that_are_lost_count_as_failures_and_lose_no_more_than_was_sent() -> None:
    world = await open_world(100, limits=Limits(max_in_flight=PLACES))
    world.transport.then(*[AnswerLost("reset")] * 100)
    await world.dispatch()
    circuit = (await world.provider()).circuit
    assert circuit.reason == "reset"
    assert await state_of(world) is CircuitState.OPEN
    sent = len(world.transport.requests)
    assert await world.states() == {UNKNOWN: sent, QUEUED: 100 - sent}
    assert sent < FAILURES_TO_OPEN + PLACES
    # A probe that is lost costs the message that was chosen for it, and no other.
    await work(world, seconds=FIRST_WAIT + 1)
    assert await world.states() == {UNKNOWN: sent + 1, QUEUED: 99 - sent}


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 413, 422, 425, 429, 451])
async def test_an_esp_that_refuses_or_asks_for_patience_is_not_down(status: int) -> None:
    world = await open_world(100, answer=lambda _: HttpResponse(status=status))
    await world.dispatch()
    circuit = (await world.provider()).circuit
    assert len(world.transport.requests) >= 1
    assert (circuit.failures, circuit.opened) == (0, 0)


async def test_failures_that_a_success_interrupts_do_not_open_it() -> None:
    answered = 0

    def every_other(_: HttpRequest) -> HttpResponse:
        nonlocal answered
        answered += 1
        return DOWN if answered % 2 else HttpResponse(status=202)

    world = await open_world(100, answer=every_other)
    await work(world, seconds=600)
    assert await state_of(world) is CircuitState.CLOSED
    assert await world.states() == {ACCEPTED: 100}


@pytest.mark.parametrize("status", [400, 429])
async def test_a_probe_that_is_refused_has_found_an_esp_that_answers(status: int) -> None:
    world = await open_world(30, limits=Limits(max_in_flight=1))
    world.transport.then(*[DOWN] * FAILURES_TO_OPEN, HttpResponse(status=status))
    await work(world, seconds=FIRST_WAIT + 1)
    assert await state_of(world) is CircuitState.CLOSED
    # It has had its answer, and that counts as one of its attempts.
    refused = sum(request.attempts == 2 for request in world.chunk.requests)
    assert refused == (1 if status == 429 else 0)
