"""What every EventLog must do: taking callbacks in, and reading. So far over SQL alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql import schema
from adapters.sql.database import Database, create_schema
from adapters.sql.events import SqlEventLog
from domain.callback import (
    UNKNOWN_TYPE,
    Attributed,
    CallbackEvent,
    CallbackType,
    Unprocessed,
)
from domain.errors import TryLater
from domain.events import START, Cursor
from domain.message_id import MessageKind, MessageRef
from domain.provider import Provider
from tests.domain.provider_samples import POST
from tests.fakes.clock import FakeClock


class CountingDatabase(Database):
    """Counts its transactions, and can be too busy for any."""

    commits = 0
    busy = False

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        if self.busy:
            raise TryLater("busy")
        async with super().writing() as connection:
            self.commits += 1
            yield connection


NOW = 1_750_000_000.0
ACME = Provider(
    provider_id=1, version=1, config=POST, callback_token="t1", created_at=NOW, updated_at=NOW
)
CAMPAIGN, UNACCEPTED, OF_ANOTHER, TEST = 1, 2, 3, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    log: SqlEventLog
    database: CountingDatabase

    async def record(self, *events: Attributed) -> list[Attributed]:
        return list(await self.log.record_callbacks(ACME, events, (), received_at=NOW))

    async def ordinals(self, after: Cursor = START, limit: int = 100) -> list[int]:
        return [e.ordinals[0] for e in await self.log.read(after=after, limit=limit)]

    async def unprocessed(self) -> int:
        async with self.database.reading() as connection:
            found = select(func.count()).select_from(schema.unprocessed_events)
            return int((await connection.execute(found)).scalar_one())


def event(
    ordinal: int,
    *,
    number: int = CAMPAIGN,
    kind: MessageKind = MessageKind.CAMPAIGN,
    type: CallbackType = CallbackType.DELIVERED,
    digest: int = 1,
) -> Attributed:
    said = CallbackEvent(
        type=type.value,
        email="a@example.com",
        meta="m",
        description="said",
        timestamp=None,
        list_name="success",
        raw={"type": type.value},
    )
    message = MessageRef(kind, number, ordinal)
    return Attributed(event=said, type=type, message=message, occurred_at=NOW - 5, digest=digest)


def campaign(number: int, provider_id: int, request_id: str | None) -> dict[str, object]:
    return {
        "number": number,
        "request_id": request_id,
        "provider_id": provider_id,
        "name": "",
        "envelope": "{}",
        "guarantee": "AT_MOST_ONCE",
        "state": "SENDING",
        "recipients": 1000,
        "created_at": NOW,
    }


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = CountingDatabase(f"sqlite+aiosqlite:///{tmp_path}/log.db", clock=FakeClock(NOW))
    await create_schema(database)
    provider = {"version": 1, "created_at": NOW, "updated_at": NOW}
    async with database.writing() as connection:
        await connection.execute(
            insert(schema.providers),
            [
                {"id": 1, "nickname": "acme", "callback_token": "t1", **provider},
                {"id": 2, "nickname": "other", "callback_token": "t2", **provider},
            ],
        )
        await connection.execute(
            insert(schema.campaigns),
            [
                campaign(CAMPAIGN, 1, "r1"),
                campaign(UNACCEPTED, 1, None),
                campaign(OF_ANOTHER, 2, "r3"),
            ],
        )
        test = {"number": TEST, "provider_id": 1, "email": "t@example.com", "created_at": NOW}
        await connection.execute(insert(schema.test_messages), [test])
    yield World(log=SqlEventLog(database), database=database)
    await database.close()


async def test_what_was_recorded_is_read_back_in_order_and_whole(world: World) -> None:
    await world.record(event(7, type=CallbackType.HARD_BOUNCE), event(3))
    first, second = await world.log.read(after=START, limit=10)
    assert (first.position, second.position) == (1, 2)
    assert (first.provider, first.message) == ("acme", event(7).message)
    assert (first.callback_type, first.email) == (CallbackType.HARD_BOUNCE, "a@example.com")
    assert (first.description, first.occurred_at, first.received_at) == ("said", NOW - 5, NOW)
    assert second.ordinals == (3,)


async def test_a_repeat_is_stored_once_within_a_call_and_over_calls(world: World) -> None:
    await world.record(event(1), event(2), event(1))
    assert await world.record(event(2), event(4)) == []
    assert await world.ordinals() == [1, 2, 4]
    assert await world.log.head() == 3


async def test_another_digest_of_the_same_message_is_another_event(world: World) -> None:
    await world.record(event(1), event(1, digest=-(2**63)))
    assert await world.ordinals() == [1, 1]


async def test_more_events_than_one_statement_looks_up_are_recognised(world: World) -> None:
    events = [event(ordinal) for ordinal in range(1000)]
    await world.record(*events)
    await world.record(*events)
    assert await world.log.head() == 1000


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
    assert await world.unprocessed() == 1


async def test_a_test_email_has_callbacks_too(world: World) -> None:
    assert await world.record(event(0, number=TEST, kind=MessageKind.TEST)) == []
    (entry,) = await world.log.read(after=START, limit=1)
    assert entry.message_kind is MessageKind.TEST


async def test_what_was_not_understood_is_kept(world: World) -> None:
    odd = Unprocessed(event=event(1).event, reason=UNKNOWN_TYPE)
    await world.log.record_callbacks(ACME, (), [odd], received_at=NOW)
    assert await world.unprocessed() == 1
    assert await world.log.head() == 0


async def test_a_page_of_one_gets_to_the_end_of_the_log(world: World) -> None:
    await world.record(event(1, type=CallbackType.HARD_BOUNCE), event(2))
    assert await world.ordinals(START, 1) == [1]
    assert await world.ordinals(Cursor(1, 0), 1) == [1]
    assert await world.ordinals(Cursor(1, 1), 1) == [2]
    assert await world.ordinals(Cursor(2, 0), 1) == []


async def test_the_entries_of_one_campaign_leave_out_tests(world: World) -> None:
    await world.record(event(5), event(0, number=TEST, kind=MessageKind.TEST))
    found = await world.log.read(after=START, limit=10, campaign_number=CAMPAIGN)
    assert [entry.ordinals for entry in found] == [(5,)]


async def test_calls_at_once_store_each_event_once_at_positions_without_gaps(world: World) -> None:
    calls = [world.record(event(n), event(0)) for n in range(1, 21)]
    await asyncio.gather(*calls)
    entries = await world.log.read(after=START, limit=100)
    assert sorted(entry.ordinals[0] for entry in entries) == list(range(21))
    assert [entry.position for entry in entries] == list(range(1, 22))


async def test_calls_at_once_share_commits(world: World) -> None:
    before = world.database.commits
    await asyncio.gather(*(world.record(event(n)) for n in range(40)))
    assert await world.log.head() == 40
    assert world.database.commits - before <= 2


async def test_a_failed_commit_is_told_to_every_caller_and_the_next_one_works(
    world: World,
) -> None:
    world.database.busy = True
    calls = (world.record(event(n)) for n in range(3))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [TryLater] * 3
    world.database.busy = False
    await world.record(event(5))
    assert await world.ordinals() == [5]


async def test_a_caller_that_goes_away_spoils_nothing_for_the_others(world: World) -> None:
    leaving = asyncio.create_task(world.record(event(1)))
    staying = asyncio.create_task(world.record(event(2)))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == []
    assert 2 in await world.ordinals()
