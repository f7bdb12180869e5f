"""SimulateCallback and ReplayCallbacks over a real gRPC server and a SQLite file."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from domain.callback import CallbackType
from domain.webhook_mapping import TypeRule, WebhookMapping
from domain.webhook_request import WebhookRequest
from entrypoints.event_service import KEPT
from espalier.v1 import common_pb2, event_pb2
from services.ports import Kept
from tests.entrypoints.events_world import IDS, World, event_world

MAPPING = WebhookMapping(
    type="event.kind",
    types=(TypeRule(pattern="seen", type=CallbackType.OPENED),),
    email="event.to",
    meta="event.mid",
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A campaign of one message has gone out through a provider with a mapping."""
    async with event_world(tmp_path) as world:
        await world.bench.sent(1)
        config = replace(world.bench.provider.config, webhook=MAPPING)
        await world.ports.providers.configure(config.nickname, lambda _: config)
        yield world


def body(**changes: str) -> bytes:
    said = {"kind": "seen", "to": "a@x.example", "mid": IDS.campaign_message(1, 0), **changes}
    pairs = ", ".join(f'"{name}": "{value}"' for name, value in said.items())
    return f"{{{pairs}}}".encode()


async def keep(world: World, *bodies: bytes, at: float = 50.0) -> None:
    for each in bodies:
        kept = Kept(WebhookRequest(method="POST", url="", body=each), until=1e12)
        await world.ports.log.record_callbacks(
            world.bench.provider, (), (), received_at=at, kept=kept
        )


async def test_a_simulation_shows_the_events_that_would_be_raised(world: World) -> None:
    answer = await world.stub.SimulateCallback(
        event_pb2.SimulateCallbackRequest(provider="ACME", body=body())
    )
    (event,) = answer.events
    assert (event.esp_type, event.callback_type) == ("seen", "opened")
    assert list(event.event_types) == [common_pb2.EVENT_TYPE_NOTIFICATION_OPENED]
    assert event.message_id == IDS.campaign_message(1, 0)
    assert (answer.status, answer.problem) == (200, "")


async def test_a_replay_goes_page_by_page_and_its_events_are_listed(world: World) -> None:
    await keep(world, body(), body(mid="forged"), b"no json")
    request = event_pb2.ReplayCallbacksRequest(provider="acme", page_size=2)
    first = await world.stub.ReplayCallbacks(request)
    assert (first.requests, first.events, first.processed_events) == (2, 2, 1)
    request.page_token = first.next_page_token
    second = await world.stub.ReplayCallbacks(request)
    assert (second.requests, second.unreadable_requests) == (1, 1)
    assert second.next_page_token == ""
    opened = await world.page(types=[common_pb2.EVENT_TYPE_NOTIFICATION_OPENED])
    assert [event.callback_type for event in opened.events] == ["opened"]


@pytest.mark.parametrize(
    ("field", "given"), [("method", {"method": "PUT"}), ("body", {"body": bytes(2**21 + 1)})]
)
async def test_a_simulation_that_is_not_valid_is_refused(
    world: World, field: str, given: dict[str, Any]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.stub.SimulateCallback(
            event_pb2.SimulateCallbackRequest(provider="acme", **given)
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in str(caught.value.details())


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("page_size", {"page_size": -1}),
        ("page_token", {"page_token": "x"}),
        ("page_token", {"page_token": KEPT.token("x")}),
        ("start_time", {"start_time": Timestamp(nanos=-1)}),
    ],
)
async def test_a_replay_that_is_not_valid_is_refused(
    world: World, field: str, given: dict[str, Any]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.stub.ReplayCallbacks(event_pb2.ReplayCallbacksRequest(provider="acme", **given))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in str(caught.value.details())
