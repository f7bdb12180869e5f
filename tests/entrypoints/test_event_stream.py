"""StreamEvents: from a cursor on, then live, at least once and in order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from domain.callback import CallbackType
from espalier.v1 import common_pb2, event_pb2
from tests.contracts.bench import accepted, posting
from tests.entrypoints.api_server import reason, violations
from tests.entrypoints.events_world import World, event_world, read, read_events
from tests.support import eventually

DELIVERED, HARD = CallbackType.DELIVERED, CallbackType.HARD_BOUNCE
NOW = event_pb2.STREAM_START_NOW


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """One campaign to five people that the ESP took: events 1.0 to 1.4."""
    async with event_world(tmp_path) as made:
        await made.bench.sent(5)
        yield made


def cursors(events: list[event_pb2.Event]) -> list[str]:
    return [event.cursor for event in events]


async def test_the_first_response_comes_at_once_and_says_where_the_stream_stands(
    world: World,
) -> None:
    first = await read(world.stream(start=NOW))
    assert (list(first.events), first.next_cursor != "") == ([], True)
    first = await read(world.stream(campaign_id="99"))
    assert (list(first.events), first.next_cursor) == ([], "0.0")


async def test_from_the_beginning_all_that_is_stored_comes_and_then_what_is_new(
    world: World,
) -> None:
    call = world.stream()
    assert cursors(await read_events(call, 5)) == [f"1.{i}" for i in range(5)]
    await world.bench.say(1, 2, HARD)
    assert cursors(await read_events(call, 2)) == ["2.0", "2.1"]
    await world.bench.say(1, 3, DELIVERED)
    (event,) = await read_events(call, 1)
    assert (event.cursor, event.recipient) == ("3.0", "p3@example.com")


async def test_from_now_on_only_what_is_new_comes(world: World) -> None:
    call = world.stream(start=NOW)
    await read(call)
    await world.bench.say(1, 2, DELIVERED)
    assert cursors(await read_events(call, 1)) == ["2.0"]


async def test_a_client_that_breaks_off_anywhere_goes_on_without_a_gap(world: World) -> None:
    await world.bench.say(1, 2, HARD)
    expected = [*(f"1.{i}" for i in range(5)), "2.0", "2.1"]
    seen: list[str] = []
    cursor = ""
    while len(seen) < len(expected):
        call = world.stream(cursor=cursor, max_batch=2)
        assert (await read(call)).next_cursor == (cursor or "0.0")
        response = await read(call)
        seen += cursors(list(response.events))
        cursor = response.next_cursor
        call.cancel()
    assert seen == expected


@pytest.mark.parametrize("place", range(7))
async def test_the_cursor_of_any_event_is_good_to_go_on_from(world: World, place: int) -> None:
    await world.bench.say(1, 2, HARD)
    everything = cursors(await read_events(world.stream(), 7))
    call = world.stream(cursor=everything[place])
    await world.bench.say(1, 3, DELIVERED)
    rest = everything[place + 1 :]
    assert cursors(await read_events(call, len(rest) + 1)) == [*rest, "3.0"]


async def test_no_batch_is_larger_than_was_asked_for(world: World) -> None:
    call = world.stream(max_batch=2)
    await read(call)
    sizes = [len((await read(call)).events) for _ in range(3)]
    assert sizes == [2, 2, 1]


async def test_thousands_of_events_come_once_each_and_in_order(world: World) -> None:
    number = await world.bench.campaign(1000)
    (claim,) = await world.bench.claim()
    step, request = posting(claim, *range(1000))
    await world.bench.record(step, accepted(step, request))
    await asyncio.gather(*(world.bench.say(number, i, DELIVERED) for i in range(300)))
    events = await read_events(world.stream(campaign_id=str(number)), 1300)
    assert [event.recipient for event in events] == [
        f"p{i}@example.com" for i in (*range(1000), *range(300))
    ]


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ({"types": [common_pb2.EVENT_TYPE_CHANNEL_UNSUBSCRIBED]}, ["3.1"]),
        ({"recipient": "p1@example.com"}, ["1.1", "2.0"]),
        ({"test": False, "provider": "acme", "campaign_id": "1"}, None),
    ],
)
async def test_a_filter_holds_for_what_is_stored_and_for_what_is_new(
    world: World, where: dict[str, Any], wanted: list[str] | None
) -> None:
    call = world.stream(**where)
    await read(call)
    await world.bench.say(1, 1, DELIVERED)
    await world.bench.say(1, 2, HARD)
    wanted = wanted or [*(f"1.{i}" for i in range(5)), "2.0", "3.0", "3.1"]
    assert cursors(await read_events(call, len(wanted))) == wanted


async def test_a_cursor_moves_on_now_and_then_where_nothing_passes(world: World) -> None:
    call = world.stream(start=NOW, campaign_id="99")
    first = await read(call)
    world.ports.clock.advance(60.0)
    await world.bench.say(1, 1, DELIVERED)
    second = await read(call)
    assert list(second.events) == []
    assert int(second.next_cursor.split(".")[0]) == int(first.next_cursor.split(".")[0]) + 1


async def test_streams_at_once_each_get_everything(world: World) -> None:
    calls = [world.stream() for _ in range(4)]
    found = await asyncio.gather(*(read_events(call, 5) for call in calls))
    assert [cursors(events) for events in found] == [[f"1.{i}" for i in range(5)]] * 4


async def test_a_stopping_service_ends_its_streams_and_says_to_come_again(world: World) -> None:
    call = world.stream()
    await read_events(call, 5)
    world.stopping.set()
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await read(call)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason(error.value) == "TRY_LATER"


async def test_a_client_that_cancels_ends_its_stream(world: World) -> None:
    call = world.stream()
    await read(call)
    assert world.service.open_streams == 1
    assert call.cancel()
    await eventually(lambda: world.service.open_streams == 0)


@pytest.mark.parametrize(
    ("asked", "field", "why"),
    [
        ({"cursor": "abc"}, "cursor", "INVALID_CURSOR"),
        ({"cursor": "9.0"}, "cursor", "INVALID_CURSOR"),
        ({"start": 7}, "start", "UNKNOWN_VALUE"),
        ({"max_batch": -1}, "max_batch", "OUT_OF_RANGE"),
        ({"end_time": {"seconds": 1}}, "filter.end_time", "NOT_WITH_STREAM"),
        ({"campaign_id": "x"}, "filter.campaign_id", "INVALID_CAMPAIGN_ID"),
    ],
)
async def test_what_is_not_valid_is_refused_by_its_field(
    world: World, asked: dict[str, Any], field: str, why: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await read(world.stream(**asked))
    assert violations(error.value) == {field: why}
