import asyncio
import json

import pytest

from domain.callback import CallbackType
from domain.campaign import CampaignState, Content, DeliveryGuarantee
from domain.chunk import Chunk, ChunkState
from domain.events import EntryKind
from domain.http import AnswerLost, HttpRequest, HttpResponse, NotSent
from domain.message import MessageState
from domain.provider import Limits
from tests.services.dispatching import LEASE, is_done, open_world
from tests.support import eventually

ACCEPTED, REJECTED = MessageState.ACCEPTED, MessageState.REJECTED
QUEUED, UNKNOWN = MessageState.QUEUED, MessageState.UNKNOWN


def answer(status: int, **headers: str) -> HttpResponse:
    given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpResponse(status=status, headers=given, body=b"said the ESP")


def addresses(request: HttpRequest) -> list[str]:
    return [message["to"] for message in json.loads(request.body or b"")["msgs"]]


async def test_a_chunk_goes_out_in_batches_in_the_order_of_its_recipients() -> None:
    world = await open_world(5, batch=2, limits=Limits(max_in_flight=1))
    await world.dispatch()
    sent = [address for request in world.transport.requests for address in addresses(request)]
    assert sent == [f"p{i}@example.com" for i in range(5)]
    assert [len(addresses(r)) for r in world.transport.requests] == [2, 2, 1]
    assert await world.states() == {ACCEPTED: 5}
    assert is_done(world)


async def test_the_intent_is_durable_before_a_byte_leaves_and_the_outcome_after() -> None:
    at_the_esp: list[Chunk] = []

    def look(_: HttpRequest) -> HttpResponse:
        at_the_esp.append(world.chunk)
        return answer(202)

    world = await open_world(1, answer=look)
    await world.dispatch()
    (chunk,) = at_the_esp
    assert chunk.state is ChunkState.POSTING
    assert [(request.ordinals, request.posting) for request in chunk.requests] == [((0,), True)]
    assert await world.states() == {ACCEPTED: 1}
    assert is_done(world)


async def test_what_the_esp_took_is_logged_as_sent() -> None:
    world = await open_world(3, batch=3)
    await world.dispatch()
    (entry,) = await world.entries()
    assert (entry.kind, entry.ordinals) == (EntryKind.SENT, (0, 1, 2))
    assert (entry.number, entry.provider) == (world.number, "acme")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_a_refusal_for_now_is_repeated_later_under_the_same_key(status: int) -> None:
    world = await open_world(2, batch=2)
    world.transport.then(answer(status))
    await world.dispatch()
    assert await world.states() == {QUEUED: 2}
    assert world.chunk.not_before() == 1000.5
    world.clock.advance(1)
    await world.dispatch()
    assert await world.states() == {ACCEPTED: 2}
    assert len(world.keys()) == 2
    assert len(set(world.keys())) == 1
    assert len({request.body for request in world.transport.requests}) == 1


async def test_a_connection_that_carried_nothing_is_tried_again() -> None:
    world = await open_world(1)
    world.transport.then(NotSent("refused"))
    await world.dispatch()
    assert await world.states() == {QUEUED: 1}


async def test_attempts_end_and_the_message_says_why() -> None:
    world = await open_world(1, limits=Limits(max_attempts=2), answer=lambda _: answer(503))
    await world.dispatch()
    world.clock.advance(5)
    await world.dispatch()
    assert await world.states() == {REJECTED: 1}
    assert await world.reasons() == {"HTTP_503"}
    assert [entry.kind for entry in await world.entries()] == [EntryKind.FAILED]


async def test_retry_after_pauses_the_whole_provider_and_stops_this_run() -> None:
    world = await open_world(8, limits=Limits(max_in_flight=1))
    world.transport.then(answer(429, Retry_After="30"))
    await world.dispatch()
    assert (await world.provider()).paused_until == 1030.0
    assert len(world.transport.requests) == 1
    assert await world.states() == {QUEUED: 8}


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_one_bad_message_is_isolated_and_the_others_go(status: int) -> None:
    def picky(request: HttpRequest) -> HttpResponse:
        return answer(status if "p613@example.com" in addresses(request) else 202)

    world = await open_world(1000, batch=1000, answer=picky)
    await world.dispatch()
    assert await world.states() == {ACCEPTED: 999, REJECTED: 1}
    # 2 * log2(n) + 2 requests at most for one bad message among n.
    assert len(world.transport.requests) <= 22
    assert is_done(world)


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_wrong_configuration_pauses_the_campaign_and_fails_nobody(status: int) -> None:
    world = await open_world(6, answer=lambda _: answer(status))
    await world.dispatch()
    campaign = await world.campaign()
    assert campaign.state is CampaignState.PAUSED
    assert str(status) in campaign.state_reason
    assert await world.states() == {QUEUED: 6}


@pytest.mark.parametrize("status", [301, 409, 451])
async def test_any_other_refusal_is_final(status: int) -> None:
    world = await open_world(2, batch=2, answer=lambda _: answer(status))
    await world.dispatch()
    assert await world.states() == {REJECTED: 2}
    assert len(world.transport.requests) == 1


async def test_at_most_once_never_repeats_what_may_have_arrived() -> None:
    world = await open_world(2, batch=2)
    world.transport.then(AnswerLost("reset"))
    await world.dispatch()
    assert await world.states() == {UNKNOWN: 2}
    assert len(world.transport.requests) == 1
    assert is_done(world)


async def test_at_least_once_repeats_it_byte_for_byte() -> None:
    world = await open_world(2, batch=2, guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    world.transport.then(AnswerLost("reset"))
    await world.dispatch()
    world.clock.advance(5)
    await world.suppress("p0@example.com")
    await world.dispatch()
    assert await world.states() == {ACCEPTED: 2}
    first, second = world.transport.requests
    assert (first.body, first.headers) == (second.body, second.headers)


async def test_a_refusal_after_a_lost_answer_leaves_the_message_unknown() -> None:
    world = await open_world(1, guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    world.transport.then(AnswerLost("reset"), answer(409))
    await world.dispatch()
    world.clock.advance(5)
    await world.dispatch()
    assert await world.states() == {UNKNOWN: 1}


async def test_suppressed_addresses_are_skipped_and_suppressed_copies_left_out() -> None:
    content = Content(subject="s", from_address="a@example.com", cc=("c@x.org", "d@x.org"))
    world = await open_world(3, batch=3, content=content)
    await world.suppress("p1@example.com", "c@x.org")
    await world.dispatch()
    (request,) = world.transport.requests
    messages = json.loads(request.body or b"")["msgs"]
    assert [m["to"] for m in messages] == ["p0@example.com", "p2@example.com"]
    assert {m["cc"] for m in messages} == {"d@x.org"}
    assert await world.states() == {ACCEPTED: 2, MessageState.SUPPRESSED: 1}


async def test_a_request_that_was_refused_for_now_drops_who_was_suppressed_since() -> None:
    world = await open_world(2, batch=2)
    world.transport.then(answer(503))
    await world.dispatch()
    world.clock.advance(5)
    await world.suppress("p0@example.com")
    await world.dispatch()
    assert addresses(world.transport.requests[1]) == ["p1@example.com"]
    assert world.keys()[0] != world.keys()[1]


async def test_a_changed_provider_forms_the_waiting_requests_anew() -> None:
    world = await open_world(1)
    world.transport.then(answer(503))
    await world.dispatch()
    await world.move_endpoint("https://api.example.com/v2")
    world.clock.advance(5)
    await world.dispatch()
    assert world.transport.requests[1].url == "https://api.example.com/v2"


async def test_a_message_that_a_callback_has_settled_is_not_sent() -> None:
    world = await open_world(2, batch=2)
    await world.report(0, CallbackType.DELIVERED)
    await world.dispatch()
    assert addresses(world.transport.requests[0]) == ["p1@example.com"]
    assert await world.states() == {ACCEPTED: 1, MessageState.DELIVERED: 1}
    assert is_done(world)
    # What was delivered had been taken, whether or not anybody here was told of it.
    sent = [entry.ordinals for entry in await world.entries() if entry.kind is EntryKind.SENT]
    assert sorted(ordinal for ordinals in sent for ordinal in ordinals) == [0, 1]


async def test_what_is_late_is_not_sent_and_counts_as_expired() -> None:
    world = await open_world(3, send_before=999.0)
    await world.dispatch()
    assert world.transport.requests == []
    assert await world.states() == {MessageState.EXPIRED: 3}


async def test_a_worker_whose_claim_is_gone_posts_nothing() -> None:
    world = await open_world(5)
    stale = await world.claim()
    world.clock.advance(LEASE + 1)
    await world.ports.queue.recover()
    await world.dispatch(stale)
    assert world.transport.requests == []
    assert await world.states() == {QUEUED: 5}


async def test_an_orderly_stop_leaves_nothing_in_doubt() -> None:
    world = await open_world(9, limits=Limits(max_in_flight=2))
    world.stopping.set()
    await world.dispatch()
    assert world.chunk.in_doubt() == ()
    assert await world.states() == {QUEUED: 9}
    assert world.chunk.state is ChunkState.READY


async def test_a_message_that_lacks_a_value_is_rejected_by_name_and_the_others_go() -> None:
    content = Content(subject="Hello $$city", from_address="a@example.com")
    world = await open_world(2, content=content)
    await world.dispatch()
    assert await world.states() == {REJECTED: 2}
    assert await world.reasons() == {"REPLACEMENT_MISSING"}


async def test_a_pause_of_the_provider_stops_every_chunk_that_is_claimed_already() -> None:
    world = await open_world(8)
    claim = await world.claim()
    provider = await world.provider()
    until = world.clock.now() + 60
    await world.ports.providers.pause(provider.provider_id, until=until, reason="elsewhere")
    await world.dispatch(claim)
    assert world.transport.requests == []
    assert await world.states() == {QUEUED: 8}


async def test_what_becomes_late_while_its_chunk_is_sent_is_not_sent() -> None:
    limits = Limits(max_in_flight=1)
    world = await open_world(8, limits=limits, send_before=1007.0, seconds_per_answer=3.0)
    await world.dispatch()
    assert await world.states() == {ACCEPTED: 3, MessageState.EXPIRED: 5}


async def test_what_becomes_late_while_it_waits_for_a_place_is_not_sent() -> None:
    world = await open_world(8, limits=Limits(max_in_flight=1), send_before=1007.0)
    world.transport.hold()
    sending = asyncio.create_task(world.dispatch())
    await eventually(lambda: len(world.transport.requests) == 1)
    world.clock.advance(10)
    world.transport.release()
    await sending
    assert await world.states() == {ACCEPTED: 1, MessageState.EXPIRED: 7}


async def test_what_is_in_doubt_is_repeated_though_it_is_late() -> None:
    world = await open_world(
        1, guarantee=DeliveryGuarantee.AT_LEAST_ONCE, send_before=1007.0, seconds_per_answer=10.0
    )
    world.transport.then(AnswerLost("reset"))
    await world.dispatch()
    world.clock.advance(60)
    await world.dispatch()
    assert await world.states() == {ACCEPTED: 1}
    assert len(world.transport.requests) == 2


async def test_who_is_suppressed_while_a_slow_chunk_is_sent_gets_nothing() -> None:
    world = await open_world(8, limits=Limits(max_in_flight=1), seconds_per_answer=3.0)
    world.transport.hold()
    sending = asyncio.create_task(world.dispatch())
    await eventually(lambda: len(world.transport.requests) == 1)
    await world.suppress("p7@example.com")
    world.transport.release()
    await sending
    assert await world.states() == {ACCEPTED: 7, MessageState.SUPPRESSED: 1}


async def test_a_slot_that_was_waited_for_is_used_after_a_new_look_and_not_lost() -> None:
    # Every message but the first waits for two thirds of a second, which is a long wait.
    world = await open_world(3, limits=Limits(max_in_flight=1, max_requests_per_second=1.5))
    await world.dispatch()
    assert await world.states() == {ACCEPTED: 3}
