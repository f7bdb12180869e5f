"""What every EventLog must do: take callbacks in, and be read."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from adapters.sql.database import Database
from adapters.sql.events import SqlEventLog
from domain.callback import UNKNOWN_TYPE, Attributed, CallbackType, Unprocessed
from domain.campaign import CampaignSpec, Content, Recipient
from domain.chunk import CHUNK_SIZE
from domain.errors import TryLater
from domain.events import START, Cursor, EntryKind
from domain.message_id import MessageKind
from domain.provider import Provider
from tests.contracts.bench import Bench, event
from tests.contracts.ports import NOW, Ports, SqlPorts
from tests.domain.provider_samples import POST

CAMPAIGN, UNACCEPTED, OF_ANOTHER, TEST = 1, 2, 3, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A log, and the campaigns and the test email that its callbacks speak of."""

    ports: Ports
    acme: Provider

    @classmethod
    async def on(cls, ports: Ports) -> "World":
        acme, _ = await ports.providers.configure("acme", lambda _: POST)
        other = replace(POST, nickname="other")
        foreign, _ = await ports.providers.configure("other", lambda _: other)
        world = cls(ports=ports, acme=acme)
        for provider, is_accepted in ((acme, True), (acme, False), (foreign, True)):
            await world._campaign(provider, is_accepted)
        assert await ports.tests.add(acme.provider_id, "t@example.com", at=NOW) == TEST
        return world

    async def _campaign(self, provider: Provider, is_accepted: bool) -> None:
        campaigns, name = self.ports.campaigns, provider.config.nickname
        spec = CampaignSpec(request_id=name, provider=name, content=Content())
        number = await campaigns.begin(spec, provider.provider_id)
        people = [Recipient(f"p{i}@example.com") for i in range(CHUNK_SIZE)]
        await campaigns.stage(number, 0, people)
        if is_accepted:
            await campaigns.accept(number, fingerprint=b"")

    async def record(self, *events: Attributed) -> list[Attributed]:
        stored = await self.ports.log.record_callbacks(self.acme, events, (), received_at=NOW)
        return list(stored)

    async def ordinals(self, after: Cursor = START, limit: int = 100) -> list[int]:
        return [e.ordinals[0] for e in await self.ports.log.read(after=after, limit=limit)]


@pytest.fixture
async def world(ports: Ports) -> World:
    return await World.on(ports)


async def test_what_was_recorded_is_read_back_in_order_and_whole(world: World) -> None:
    await world.record(event(7, type=CallbackType.HARD_BOUNCE), event(3))
    first, second = await world.ports.log.read(after=START, limit=10)
    assert (first.position, second.position) == (1, 2)
    assert (first.kind, first.provider) == (EntryKind.CALLBACK, "acme")
    assert first.message == event(7).message
    assert (first.callback_type, first.email) == (
        CallbackType.HARD_BOUNCE,
        "reported@example.com",
    )
    assert (first.description, first.occurred_at, first.received_at) == ("said", 5.0, NOW)
    assert second.ordinals == (3,)


async def test_what_a_worker_logged_is_read_back_as_it_was(bench: Bench) -> None:
    number = await bench.sent(3)
    (entry,) = await bench.ports.log.read(after=START, limit=10)
    assert (entry.kind, entry.provider, entry.number) == (EntryKind.SENT, "acme", number)
    assert (entry.ordinals, entry.position) == ((0, 1, 2), 1)
    assert (entry.occurred_at, entry.callback_type, entry.description) == (1.0, None, None)


async def test_a_repeat_is_stored_once_within_a_call_and_over_calls(world: World) -> None:
    await world.record(event(1), event(2), event(1))
    assert await world.record(event(2), event(4)) == []
    assert await world.ordinals() == [1, 2, 4]
    assert await world.ports.log.head() == 3


async def test_another_digest_of_the_same_message_is_another_event(world: World) -> None:
    await world.record(event(1), event(1, digest=-(2**63)))
    assert await world.ordinals() == [1, 1]


async def test_more_events_than_one_statement_looks_up_are_recognised(world: World) -> None:
    events = [event(ordinal) for ordinal in range(1000)]
    await world.record(*events)
    await world.record(*events)
    assert await world.ports.log.head() == 1000


@pytest.mark.parametrize(
    "foreign",
    [
        event(0, number=OF_ANOTHER),
        event(0, number=UNACCEPTED),
        event(0, number=99),
        event(1000),
        event(0, number=99, kind=MessageKind.TEST),
        event(1, number=TEST, kind=MessageKind.TEST),
    ],
)
async def test_a_message_of_nobody_here_comes_back_and_is_kept(
    world: World, foreign: Attributed
) -> None:
    assert await world.record(event(1), foreign) == [foreign]
    assert await world.ordinals() == [1]
    assert await world.ports.unprocessed() == 1


async def test_a_test_email_has_callbacks_too(world: World) -> None:
    assert await world.record(event(0, number=TEST, kind=MessageKind.TEST)) == []
    (entry,) = await world.ports.log.read(after=START, limit=1)
    assert entry.message_kind is MessageKind.TEST


async def test_what_was_not_understood_is_kept(world: World) -> None:
    odd = Unprocessed(event=event(1).event, reason=UNKNOWN_TYPE)
    await world.ports.log.record_callbacks(world.acme, (), [odd], received_at=NOW)
    assert await world.ports.unprocessed() == 1
    assert await world.ports.log.head() == 0


async def test_a_page_of_one_gets_to_the_end_of_the_log(world: World) -> None:
    await world.record(event(1, type=CallbackType.HARD_BOUNCE), event(2))
    assert await world.ordinals(START, 1) == [1]
    assert await world.ordinals(Cursor(1, 0), 1) == [1]
    assert await world.ordinals(Cursor(1, 1), 1) == [2]
    assert await world.ordinals(Cursor(2, 0), 1) == []


async def test_a_reader_within_an_entry_of_many_messages_gets_it_again(bench: Bench) -> None:
    await bench.sent(3)
    within = await bench.ports.log.read(after=Cursor(1, 1), limit=10)
    assert [entry.position for entry in within] == [1]
    assert await bench.ports.log.read(after=Cursor(1, 2), limit=10) == []


async def test_the_entries_of_one_campaign_leave_out_tests(world: World) -> None:
    await world.record(event(5), event(0, number=TEST, kind=MessageKind.TEST))
    found = await world.ports.log.read(after=START, limit=10, campaign_number=CAMPAIGN)
    assert [entry.ordinals for entry in found] == [(5,)]


async def test_the_entries_of_one_campaign_leave_out_other_campaigns(bench: Bench) -> None:
    first, second = await bench.sent(1), await bench.sent(1)
    await bench.say(first, 0, CallbackType.DELIVERED)
    found = await bench.ports.log.read(after=START, limit=1, campaign_number=second)
    assert [entry.position for entry in found] == [2]
    found = await bench.ports.log.read(after=Cursor(1, 0), limit=9, campaign_number=first)
    assert [entry.position for entry in found] == [3]


async def test_calls_at_once_store_each_event_once_at_positions_without_gaps(world: World) -> None:
    calls = [world.record(event(n), event(0)) for n in range(1, 21)]
    await asyncio.gather(*calls)
    entries = await world.ports.log.read(after=START, limit=100)
    assert sorted(entry.ordinals[0] for entry in entries) == list(range(21))
    assert [entry.position for entry in entries] == list(range(1, 22))


async def test_a_reader_that_goes_on_while_others_append_misses_nothing(world: World) -> None:
    reading = asyncio.create_task(_read_until(world, 40))
    calls = [world.record(event(2 * n), event(2 * n + 1)) for n in range(20)]
    await asyncio.gather(*calls)
    assert await reading == list(range(1, 41))


async def _read_until(world: World, position: int) -> list[int]:
    """The positions that a reader is given who always goes on from the last entry."""
    seen: list[int] = []
    while not seen or seen[-1] < position:
        last = seen[-1] if seen else 0
        await world.ports.log.wait(after=last, timeout_seconds=60)
        entries = await world.ports.log.read(after=Cursor(last, 0), limit=3)
        seen += [entry.position for entry in entries]
    return seen


async def test_of_a_call_that_fails_nothing_is_stored_and_it_can_be_repeated(
    world: World,
) -> None:
    odd = Unprocessed(event=event(1).event, reason=UNKNOWN_TYPE)
    world.ports.be_busy(True)
    with pytest.raises(TryLater):
        await world.ports.log.record_callbacks(world.acme, [event(1)], [odd], received_at=NOW)
    world.ports.be_busy(False)
    assert (await world.ports.log.head(), await world.ports.unprocessed()) == (0, 0)
    await world.ports.log.record_callbacks(world.acme, [event(1)], [odd], received_at=NOW)
    assert (await world.ports.log.head(), await world.ports.unprocessed()) == (1, 1)


async def test_a_failed_commit_is_told_to_every_caller_and_the_next_one_works(
    world: World,
) -> None:
    world.ports.be_busy(True)
    calls = (world.record(event(n)) for n in range(3))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [TryLater] * 3
    world.ports.be_busy(False)
    await world.record(event(5))
    assert await world.ordinals() == [5]


async def test_a_caller_that_goes_away_spoils_nothing_for_the_others(world: World) -> None:
    leaving = asyncio.create_task(world.record(event(1)))
    staying = asyncio.create_task(world.record(event(2)))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == []
    assert 2 in await world.ordinals()


async def test_waiting_ends_when_there_is_an_entry(world: World) -> None:
    waiting = asyncio.create_task(world.ports.log.wait(after=0, timeout_seconds=60))
    await world.record(event(1))
    await waiting
    assert await world.ports.log.head() == 1


async def test_waiting_ends_when_the_time_is_over(world: World) -> None:
    await world.ports.log.wait(after=0, timeout_seconds=0.01)
    assert await world.ports.log.head() == 0


async def test_calls_at_once_share_commits(sql_ports: SqlPorts) -> None:
    """Over SQL alone: memory has no commits to share."""
    world = await World.on(sql_ports)
    before = sql_ports.database.commits
    await asyncio.gather(*(world.record(event(n)) for n in range(40)))
    assert await world.ports.log.head() == 40
    assert sql_ports.database.commits - before <= 2


async def test_what_was_recorded_is_there_for_another_process(sql_ports: SqlPorts) -> None:
    """Over SQL alone: what is in memory is in no other process, and not durable."""
    world = await World.on(sql_ports)
    await world.record(event(1))
    other = Database(sql_ports.url, clock=sql_ports.clock)
    entries = await SqlEventLog(other).read(after=START, limit=9)
    await other.close()
    assert [entry.position for entry in entries] == [1]
