"""Batches that are grouped by what stands outside of their messages, through a whole dispatch."""

import json
from dataclasses import replace
from typing import Any

from domain.campaign import CampaignSpec, DeliveryGuarantee, Recipient
from domain.http import AnswerLost, HttpResponse
from domain.message import MessageState
from domain.provider import Batch
from tests.adapters.fake_transport import FakeTransport
from tests.contracts.ports import over_fake
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store
from tests.services.dispatching import CONTENT, World, is_done, provider_config

GROUPED = """{"lang": "$$lang", "to": [{"$each": "$$To"}],
  "vars": {"$each": {"$$To": {"mid": "$$MessageID"}}}}"""


async def grouped_world(languages: str, *, max_messages: int) -> World:
    """A campaign to p0@example.com and so on, who read these languages, a letter each."""
    store = Store(FakeClock(1000.0))
    ports = over_fake(store)
    batch = Batch(max_messages=max_messages, group=True)
    config = replace(provider_config(), parameters=GROUPED, batch=batch)
    provider, _ = await ports.providers.configure("acme", lambda _: config)
    spec = CampaignSpec(
        request_id="r",
        provider="acme",
        content=CONTENT,
        guarantee=DeliveryGuarantee.AT_LEAST_ONCE,
    )
    number = await ports.campaigns.begin(spec, provider.provider_id)
    people = [
        Recipient(f"p{i}@example.com", "", {"lang": lang}) for i, lang in enumerate(languages)
    ]
    await ports.campaigns.stage(number, 0, people)
    await ports.campaigns.accept(number, fingerprint=b"")
    return World(store=store, ports=ports, transport=FakeTransport(), number=number)


def bodies(world: World) -> list[Any]:
    return [json.loads(request.body or b"") for request in world.transport.requests]


async def test_messages_of_a_chunk_travel_with_those_of_their_group() -> None:
    world = await grouped_world("ababab", max_messages=2)
    await world.dispatch()
    sent = sorted((body["lang"], body["to"]) for body in bodies(world))
    assert sent == [
        ("a", ["p0@example.com", "p2@example.com"]),
        ("a", ["p4@example.com"]),
        ("b", ["p1@example.com", "p3@example.com"]),
        ("b", ["p5@example.com"]),
    ]
    assert await world.states() == {MessageState.ACCEPTED: 6}
    assert is_done(world)


async def test_a_group_in_doubt_is_repeated_byte_for_byte_under_its_key() -> None:
    world = await grouped_world("aba", max_messages=9)
    world.transport.then(AnswerLost("reset"), AnswerLost("reset"))
    await world.dispatch()
    world.clock.advance(5)
    await world.dispatch()
    requests = world.transport.requests
    assert len(requests) == 4
    assert {(r.body, r.headers) for r in requests[:2]} == {
        (r.body, r.headers) for r in requests[2:]
    }
    assert await world.states() == {MessageState.ACCEPTED: 3}


async def test_a_group_that_is_refused_is_halved_within_itself() -> None:
    world = await grouped_world("abaa", max_messages=9)
    world.transport.then(HttpResponse(status=422, body=b"one of them"))
    await world.dispatch()
    first, *halves = [body["to"] for body in bodies(world) if body["lang"] == "a"]
    assert first == ["p0@example.com", "p2@example.com", "p3@example.com"]
    assert sorted(address for half in halves for address in half) == first
    assert len(halves) == 2
    assert await world.states() == {MessageState.ACCEPTED: 4}
