"""ListEvents: which events, in which order, in pages. All over a real server and a real log."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from domain.callback import CallbackType
from domain.message_id import MessageKind
from espalier.v1 import common_pb2, event_pb2
from tests.contracts.ports import NOW
from tests.entrypoints.api_server import violations
from tests.entrypoints.events_world import IDS, ImpatientClock, World, event_world

DELIVERED, CLICKED = CallbackType.DELIVERED, CallbackType.CLICKED
SOFT, HARD = CallbackType.SOFT_BOUNCE, CallbackType.HARD_BOUNCE
FAILED = common_pb2.EVENT_TYPE_NOTIFICATION_FAILED
UNSUBSCRIBED = common_pb2.EVENT_TYPE_CHANNEL_UNSUBSCRIBED
SENT = common_pb2.EVENT_TYPE_NOTIFICATION_SENT


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Eight events: 1.0 to 1.2, 2.0, 3.0, 3.1, 4.0 of a second campaign, 5.0 of a test email."""
    async with event_world(tmp_path) as made:
        bench = made.bench
        await bench.sent(3)
        await bench.say(1, 0, DELIVERED, email="P0@Example.com")
        await bench.say(1, 2, HARD, email="other@example.com")
        await bench.say(await bench.campaign(3), 0, CLICKED)
        await made.ports.tests.add(bench.provider.provider_id, "Tess@example.com", at=NOW)
        made.ports.clock.advance(100.0)
        await bench.say(1, 0, SOFT, kind=MessageKind.TEST)
        yield made


def at(seconds: float) -> Timestamp:
    return Timestamp(seconds=int(seconds))


def cursors(answer: event_pb2.ListEventsResponse) -> list[str]:
    return [event.cursor for event in answer.events]


ALL = ["1.0", "1.1", "1.2", "2.0", "3.0", "3.1", "4.0", "5.0"]


async def test_events_come_whole(world: World) -> None:
    bounced = (await world.page()).events[4]
    assert bounced == event_pb2.Event(
        cursor="3.0",
        event_id="3.0",
        type=FAILED,
        campaign_id="1",
        message_id=IDS.campaign_message(1, 2),
        recipient="p2@example.com",
        reported_email="other@example.com",
        provider="acme",
        error="said",
        callback_type="hard_bounce",
        occur_time=at(5),
        receive_time=at(NOW),
        description="said",
    )


async def test_a_message_that_was_taken_has_the_address_of_its_recipient(world: World) -> None:
    answer = await world.page(types=[SENT])
    assert [event.recipient for event in answer.events] == [f"p{i}@example.com" for i in range(3)]
    assert [event.message_id for event in answer.events] == IDS.campaign_messages(1, range(3))


async def test_a_test_email_s_event_has_the_address_that_it_went_to(world: World) -> None:
    (event,) = (await world.page(test=True)).events
    assert (event.test, event.campaign_id, event.recipient) == (True, "", "Tess@example.com")
    assert event.message_id == IDS.test_message(1)
    assert event.reported_email == "reported@example.com"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, ALL),
        ({"campaign_id": "1"}, ["1.0", "1.1", "1.2", "2.0", "3.0", "3.1"]),
        ({"campaign_id": "2"}, ["4.0"]),
        ({"campaign_id": "77"}, []),
        ({"provider": "ACME"}, ALL),
        ({"provider": "other"}, []),
        ({"types": [FAILED]}, ["3.0", "5.0"]),
        ({"types": [UNSUBSCRIBED]}, ["3.1"]),
        ({"types": [SENT, UNSUBSCRIBED]}, ["1.0", "1.1", "1.2", "3.1"]),
        ({"recipient": "P2@EXAMPLE.com"}, ["1.2", "3.0", "3.1"]),
        ({"recipient": "other@example.com"}, []),
        ({"recipient": "tess@example.com"}, ["5.0"]),
        ({"recipient": "p0@example.com", "campaign_id": "2"}, ["4.0"]),
        ({"start_time": at(NOW)}, ["2.0", "3.0", "3.1", "4.0", "5.0"]),
        ({"start_time": at(NOW + 1)}, ["5.0"]),
        ({"end_time": at(NOW)}, ["1.0", "1.1", "1.2"]),
        ({"start_time": at(NOW), "end_time": at(NOW + 100)}, ["2.0", "3.0", "3.1", "4.0"]),
        ({"start_time": at(NOW + 9999)}, []),
        ({"test": True}, ["5.0"]),
        ({"test": False}, ALL[:-1]),
        ({"message_id": IDS.campaign_message(1, 2)}, ["1.2", "3.0", "3.1"]),
        ({"message_id": IDS.campaign_message(1, 2), "types": [FAILED]}, ["3.0"]),
        ({"message_id": IDS.test_message(1)}, ["5.0"]),
        ({"message_id": IDS.campaign_message(1, 2), "campaign_id": "2"}, []),
    ],
)
async def test_every_condition_holds_in_both_orders_and_in_pages_of_any_size(
    world: World, where: dict[str, Any], expected: list[str]
) -> None:
    assert cursors(await world.page(**where)) == expected
    assert cursors(await world.page(newest=True, **where)) == expected[::-1]
    for size in (1, 2, 3):
        assert await world.pages(size=size, **where) == expected
        assert await world.pages(size=size, newest=True, **where) == expected[::-1]


async def test_the_last_page_has_no_token_also_where_it_is_full(world: World) -> None:
    assert (await world.page(size=8)).next_page_token == ""
    assert (await world.page(size=7)).next_page_token != ""
    assert (await world.page(size=8, newest=True)).next_page_token == ""


async def test_what_comes_between_two_pages_repeats_nothing_and_hides_nothing(
    world: World,
) -> None:
    newest = await world.page(size=3, newest=True)
    oldest = await world.page(size=3)
    await world.bench.say(1, 1, DELIVERED)
    rest = await world.page(token=newest.next_page_token, newest=True)
    assert cursors(newest) + cursors(rest) == ALL[::-1]
    rest = await world.page(token=oldest.next_page_token)
    assert cursors(oldest) + cursors(rest) == [*ALL, "6.0"]


async def test_more_entries_than_one_look_takes_are_all_found(world: World) -> None:
    number = await world.bench.campaign(600)
    await asyncio.gather(*(world.bench.say(number, i, DELIVERED) for i in range(600)))
    for newest in (False, True):
        found = await world.pages(size=1000, newest=newest, campaign_id=str(number))
        assert len(found) == len(set(found)) == 600


async def test_an_empty_stretch_of_a_large_log_is_passed_over(world: World) -> None:
    await world.skip_to(350_000)
    await world.bench.say(1, 1, SOFT)
    where: dict[str, Any] = {"types": [FAILED]}
    assert cursors(await world.page(**where)) == ["3.0", "5.0", "350001.0"]
    assert cursors(await world.page(newest=True, **where)) == ["350001.0", "5.0", "3.0"]


async def test_a_long_search_ends_with_what_it_has_and_goes_on_from_there(
    tmp_path: Path,
) -> None:
    async with event_world(tmp_path, ImpatientClock()) as world:
        await world.bench.sent(1)
        await world.skip_to(350_000)
        await world.bench.say(1, 0, SOFT)
        where: dict[str, Any] = {"types": [FAILED]}
        first = await world.page(**where)
        assert (list(first.events), bool(first.next_page_token)) == ([], True)
        assert await world.pages(size=10, **where) == ["350001.0"]
        assert await world.pages(size=10, newest=True, **where) == ["350001.0"]


@pytest.mark.parametrize(
    ("where", "field", "why"),
    [
        ({"campaign_id": "x"}, "filter.campaign_id", "INVALID_CAMPAIGN_ID"),
        ({"campaign_id": "007"}, "filter.campaign_id", "INVALID_CAMPAIGN_ID"),
        ({"campaign_id": str(2**63)}, "filter.campaign_id", "INVALID_CAMPAIGN_ID"),
        ({"types": [SENT, 0]}, "filter.types[1]", "REQUIRED"),
        ({"types": [99]}, "filter.types[0]", "UNKNOWN_VALUE"),
        ({"start_time": Timestamp(nanos=-1)}, "filter.start_time", "INVALID_TIMESTAMP"),
        ({"message_id": "abc"}, "filter.message_id", "INVALID_MESSAGE_ID"),
        ({"message_id": IDS.preview_message(0)}, "filter.message_id", "INVALID_MESSAGE_ID"),
        ({"size": -1}, "page_size", "OUT_OF_RANGE"),
        ({"token": "abc"}, "page_token", "INVALID_PAGE_TOKEN"),
    ],
)
async def test_what_is_not_valid_is_refused_by_its_field(
    world: World, where: dict[str, Any], field: str, why: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await world.page(**where)
    assert violations(error.value) == {field: why}


async def test_all_faults_of_a_filter_are_told_together(world: World) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await world.page(campaign_id="x", message_id="y", types=[0])
    assert set(violations(error.value)) == {
        "filter.campaign_id",
        "filter.message_id",
        "filter.types[0]",
    }


async def test_a_token_of_the_other_order_is_refused(world: World) -> None:
    token = (await world.page(size=1)).next_page_token
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await world.page(size=1, token=token, newest=True)
    assert violations(error.value) == {"page_token": "INVALID_PAGE_TOKEN"}
