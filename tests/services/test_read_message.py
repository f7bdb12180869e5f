"""ReadMessage over SQL and over ports in memory: which message, and which events are its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.callback import CallbackType
from domain.chunk import Change
from domain.errors import NotFound
from domain.events import Cursor, EntryKind, LogEntry
from domain.events import SystemEventType as EventType
from domain.message import MessageState
from domain.message_id import MessageIds
from services.ports import Move, Step
from services.read_message import ReadMessage
from tests.contracts.bench import Bench, accepted, posting
from tests.contracts.ports import NOW, over_fake, over_sql
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store

IDS = MessageIds(b"k" * 32)


@pytest.fixture(params=["sql", "fake"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "fake":
        yield await Bench.on(over_fake(Store(FakeClock(NOW))))
        return
    async with over_sql(tmp_path) as ports:
        yield await Bench.on(ports)


def reader(bench: Bench) -> ReadMessage:
    ports = bench.ports
    return ReadMessage(
        campaigns=ports.campaigns,
        log=ports.log,
        search=ports.search,
        esp_messages=ports.esp_messages,
        message_ids=IDS,
    )


async def test_a_message_has_its_own_events_and_no_other_ones(bench: Bench) -> None:
    other = await bench.sent(3)
    number = await bench.sent(3)
    await bench.say(number, 1, CallbackType.DELIVERED)
    await bench.say(number, 2, CallbackType.CLICKED)
    await bench.say(other, 1, CallbackType.SPAM)
    await bench.fold()

    history = await reader(bench).by_id(IDS.campaign_message(number, 1))

    assert [event.type for event in history.events] == [
        EventType.NOTIFICATION_SENT,
        EventType.NOTIFICATION_DELIVERED,
    ]
    assert {event.recipient for event in history.events} == {"p1@example.com"}
    assert {event.message_id for event in history.events} == {IDS.campaign_message(number, 1)}
    assert history.message.state is MessageState.DELIVERED


async def test_what_the_esp_refused_has_its_answer_as_an_event(bench: Bench) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    entry = LogEntry(
        kind=EntryKind.FAILED,
        provider="acme",
        number=number,
        ordinals=(0, 1),
        reason="422 no such template",
        occurred_at=NOW,
        received_at=NOW,
    )
    move = Move((0, 1), MessageState.SENDING, MessageState.REJECTED, "HTTP_422", entry.reason)
    change = Change(dropped=(request,), settled=(0, 1), released=True)
    await bench.record(step, Step(key=step.key, change=change, moves=(move,), entries=(entry,)))

    history = await reader(bench).by_address(number, "P1@example.com")

    assert (history.message.ordinal, history.message.state) == (1, MessageState.REJECTED)
    (event,) = history.events
    assert (event.type, event.error) == (EventType.NOTIFICATION_FAILED, "422 no such template")


async def test_requests_of_one_message_each_do_not_mix_their_events(bench: Bench) -> None:
    number = await bench.campaign(3)
    for ordinal in range(3):
        (claim,) = await bench.claim()
        step, request = posting(claim, ordinal)
        await bench.record(step, accepted(step, request))

    history = await reader(bench).by_id(IDS.campaign_message(number, 1))

    (event,) = history.events
    assert (event.message_id, event.cursor) == (IDS.campaign_message(number, 1), Cursor(2, 0))


async def test_a_message_nobody_has_is_not_found(bench: Bench) -> None:
    number = await bench.campaign(2)
    read = reader(bench)
    foreign = MessageIds(b"f" * 32).campaign_message(number, 0)

    for message_id in ("", foreign, IDS.campaign_message(number, 2), IDS.preview_message(0)):
        with pytest.raises(NotFound):
            await read.by_id(message_id)
    with pytest.raises(NotFound):
        await read.by_address(number, "stranger@example.com")
    with pytest.raises(NotFound):
        await read.by_address(number + 1, "p0@example.com")
