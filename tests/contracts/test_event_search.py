"""What every EventSearch must do."""

from dataclasses import dataclass

import pytest

from domain.callback import CallbackType
from domain.chunk import CHUNK_SIZE
from domain.event_filter import ALL, EventFilter
from domain.events import EntryKind, LogEntry, SystemEventType
from domain.message_id import MessageKind, MessageRef
from tests.contracts.bench import Bench, event
from tests.contracts.ports import NOW, Ports
from tests.domain.provider_samples import post

DELIVERED, CLICKED = CallbackType.DELIVERED, CallbackType.CLICKED
SOFT, HARD = CallbackType.SOFT_BOUNCE, CallbackType.HARD_BOUNCE


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    bench: Bench

    @property
    def ports(self) -> Ports:
        return self.bench.ports

    async def find(self, where: EventFilter = ALL, **changes: object) -> list[LogEntry]:
        given: dict[str, object] = {"where": where, "positions": range(1, 1000), "limit": 100}
        return list(await self.ports.search.search(**(given | changes)))  # type: ignore[arg-type]

    async def positions(self, where: EventFilter = ALL, **changes: object) -> list[int]:
        return [entry.position for entry in await self.find(where, **changes)]


@pytest.fixture
async def world(bench: Bench) -> World:
    """Position 1: three messages sent; then callbacks: of them, of a second campaign, of a test."""
    ports = bench.ports
    await bench.sent(3)
    await bench.say(1, 0, DELIVERED)
    await bench.say(1, 2, HARD)
    second = await bench.campaign(3)
    await bench.say(second, 0, CLICKED)
    assert await ports.tests.add(bench.provider.provider_id, "t@example.com", at=NOW) == 1
    ports.clock.advance(100.0)
    await bench.say(1, 0, SOFT, kind=MessageKind.TEST)
    return World(bench=bench)


def typed(*types: SystemEventType) -> EventFilter:
    return EventFilter(types=frozenset(types))


async def test_entries_come_in_order_or_in_reverse_and_no_more_than_asked_for(
    world: World,
) -> None:
    assert await world.positions() == [1, 2, 3, 4, 5]
    assert await world.positions(newest_first=True) == [5, 4, 3, 2, 1]
    assert await world.positions(limit=2) == [1, 2]
    assert await world.positions(limit=2, newest_first=True) == [5, 4]


async def test_only_the_positions_asked_for_are_looked_at(world: World) -> None:
    assert await world.positions(positions=range(2, 5)) == [2, 3, 4]
    assert await world.positions(positions=range(2, 5), newest_first=True, limit=1) == [4]
    assert await world.positions(positions=range(6, 100)) == []
    assert await world.positions(positions=range(2)) == [1]


async def test_entries_are_whole(world: World) -> None:
    sent, delivered, *_ = await world.find()
    assert (sent.kind, sent.provider, sent.ordinals) == (EntryKind.SENT, "acme", (0, 1, 2))
    assert (delivered.callback_type, delivered.received_at) == (DELIVERED, NOW)


@pytest.mark.parametrize(
    ("where", "positions"),
    [
        (EventFilter(campaign_number=1), [1, 2, 3]),
        (EventFilter(campaign_number=2), [4]),
        (EventFilter(campaign_number=99), []),
        (EventFilter(test=True), [5]),
        (EventFilter(test=False), [1, 2, 3, 4]),
        (typed(SystemEventType.NOTIFICATION_SENT), [1]),
        (typed(SystemEventType.NOTIFICATION_FAILED), [3, 5]),
        (typed(SystemEventType.CHANNEL_UNSUBSCRIBED), [3]),
        (
            typed(SystemEventType.NOTIFICATION_SENT, SystemEventType.NOTIFICATION_CLICKED),
            [1, 4],
        ),
        (EventFilter(provider="acme"), [1, 2, 3, 4, 5]),
        (EventFilter(provider="other"), []),
        (EventFilter(received_from=NOW + 1), [5]),
        (EventFilter(received_from=NOW), [2, 3, 4, 5]),
        (EventFilter(received_before=NOW), [1]),
        (EventFilter(campaign_number=1, received_from=NOW), [2, 3]),
        (EventFilter(message=MessageRef(MessageKind.CAMPAIGN, 1, 0)), [1, 2]),
        (EventFilter(message=MessageRef(MessageKind.CAMPAIGN, 1, 2)), [1, 3]),
        (EventFilter(message=MessageRef(MessageKind.CAMPAIGN, 2, 0)), [4]),
        (EventFilter(message=MessageRef(MessageKind.TEST, 1, 0)), [5]),
    ],
)
async def test_the_entries_that_may_hold_what_is_wanted(
    world: World, where: EventFilter, positions: list[int]
) -> None:
    assert await world.positions(where) == positions
    assert await world.positions(where, newest_first=True) == positions[::-1]


async def test_an_entry_that_begins_in_another_chunk_is_of_no_message_here(
    world: World,
) -> None:
    number = await world.bench.campaign(CHUNK_SIZE + 5)
    await world.bench.say(number, CHUNK_SIZE - 1, DELIVERED)
    await world.bench.say(number, CHUNK_SIZE + 3, DELIVERED)
    message = MessageRef(MessageKind.CAMPAIGN, number, CHUNK_SIZE + 3)
    assert await world.positions(EventFilter(message=message)) == [7]


async def test_a_provider_is_found_in_any_case_and_after_it_was_deleted(world: World) -> None:
    ports = world.ports
    shop, _ = await ports.providers.configure("Shop", lambda _: post(nickname="Shop"))
    test = await ports.tests.add(shop.provider_id, "t@example.com", at=NOW)
    said = event(0, number=test, kind=MessageKind.TEST)
    await ports.log.record_callbacks(shop, [said], (), received_at=NOW)
    await ports.providers.delete("shop", etag="")
    assert await world.positions(EventFilter(provider="shop")) == [6]


@pytest.mark.parametrize(
    ("time", "position"),
    [(0.0, 0), (1.5, 1), (NOW, 1), (NOW + 0.5, 4), (NOW + 100, 4), (NOW + 101, 5)],
)
async def test_the_position_at_a_time(world: World, time: float, position: int) -> None:
    assert await world.ports.search.position_at(time) == position


async def test_an_empty_log_has_no_position_at_any_time(ports: Ports) -> None:
    assert await ports.search.position_at(NOW) == 0
