"""A database that takes nothing: it says why, nothing is half stored, and it goes on by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import OperationalError

from adapters.sql import schema
from adapters.sql.campaigns import SqlCampaignRepository
from adapters.sql.database import Database
from adapters.sql.troubles import LOCKED, trouble_of
from domain.campaign import CampaignSpec, Content, Recipient
from domain.errors import TryLater
from services.ports import Campaign
from tests.contracts.ports import empty_database
from tests.domain.provider_samples import POST
from tests.fakes.clock import FakeClock

FULL = "its disk is full"
unprocessed = schema.unprocessed_events


@pytest.fixture
async def url(tmp_path: Path) -> str:
    return await empty_database(tmp_path)


@asynccontextmanager
async def opened(url: str, *, busy_seconds: float = 0.0) -> AsyncIterator[Database]:
    made = Database(url, clock=FakeClock(1_750_000_000.0), busy_seconds=busy_seconds)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """It waits for no lock."""
    async with opened(url) as made:
        yield made


def add_events(connection: Connection, count: int = 100) -> None:
    """Needs more room with every one of them."""
    row = {"provider_id": 1, "received_at": 1.0, "event": "x" * 4000, "reason": "r"}
    for _ in range(count):
        connection.execute(insert(unprocessed).values(row))


async def stored(database: Database) -> int:
    async with database.reading() as connection:
        return int(
            (await connection.execute(select(func.count()).select_from(unprocessed))).scalar_one()
        )


def allow_pages(connection: Connection, more: int) -> None:
    """What a full disk is to SQLite: it gets no more than so many pages beyond those it has."""
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count={pages + more}").all()


async def add_in_several_calls(database: Database, *, room: int) -> None:
    async with database.writing() as connection:
        await connection.run_sync(allow_pages, room)
        await connection.run_sync(add_events)


async def test_what_does_not_fit_is_not_stored_at_all_and_the_next_is_once_there_is_room(
    database: Database,
) -> None:
    await database.write(lambda connection: allow_pages(connection, 5))
    for _ in range(3):
        with pytest.raises(TryLater, match=FULL):
            await database.write(add_events)
    assert database.trouble == FULL
    assert await stored(database) == 0
    await database.write(lambda connection: allow_pages(connection, 1000))
    await database.write(add_events)
    await database.probe()
    assert database.trouble == ""
    assert await stored(database) == 100


async def test_the_same_holds_for_a_transaction_of_several_calls(database: Database) -> None:
    with pytest.raises(TryLater, match=FULL):
        await add_in_several_calls(database, room=5)
    assert database.trouble == FULL
    assert await stored(database) == 0
    await add_in_several_calls(database, room=1000)
    assert await stored(database) == 100


async def test_a_lock_of_another_process_is_named_until_a_probe_succeeds(
    database: Database, url: str
) -> None:
    async with opened(url) as other, other.writing():
        with pytest.raises(TryLater, match=LOCKED):
            await database.write(add_events)
        with pytest.raises(TryLater, match=LOCKED):
            await database.probe()
    assert database.trouble == LOCKED
    assert await stored(database) == 0
    await database.probe()
    assert database.trouble == ""


async def test_who_waits_behind_others_of_the_process_waits_no_longer_than_they(
    url: str,
) -> None:
    async with opened(url, busy_seconds=0.05) as database, database.writing():
        with pytest.raises(TryLater, match="too many wait"):
            await database.write(add_events)
    async with opened(url) as database:
        assert await stored(database) == 0


async def test_a_probe_that_is_cancelled_leaves_the_turn_to_others(database: Database) -> None:
    for turns in range(6):
        probing = asyncio.create_task(database.probe())
        for _ in range(turns):
            await asyncio.sleep(0)
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
    await database.write(add_events)
    assert await stored(database) == 100


async def a_campaign(campaigns: SqlCampaignRepository, database: Database) -> Campaign:
    async with database.writing() as connection:
        values = {
            "nickname": POST.nickname,
            "nickname_key": POST.nickname,
            "callback_token": "t",
            "version": 1,
            "created_at": 1.0,
            "updated_at": 1.0,
        }
        await connection.execute(insert(schema.providers).values(values))
    spec = CampaignSpec(request_id="r", provider=POST.nickname, content=Content(subject="s"))
    number = await campaigns.begin(spec, 1)
    await campaigns.stage(number, 0, [Recipient("p@example.com")])
    await campaigns.accept(number, fingerprint=b"f")
    return await campaigns.get(number)


async def test_a_campaign_that_is_sent_says_what_keeps_the_database_from_taking_anything(
    database: Database, url: str
) -> None:
    campaigns = SqlCampaignRepository(database)
    campaign = await a_campaign(campaigns, database)
    assert campaign.state_reason == ""
    async with opened(url) as other, other.writing():
        with pytest.raises(TryLater):
            await database.probe()
        waiting = await campaigns.get(campaign.number)
        (listed,) = await campaigns.list(before=None, limit=1)
    assert waiting.state_reason == f"waiting: the database cannot be written: {LOCKED}"
    assert listed.state_reason == waiting.state_reason
    await database.probe()
    assert (await campaigns.get(campaign.number)).state_reason == ""


class DriversError(Exception):
    """As drivers have them, each with a code of its own kind."""

    def __init__(self, **codes: str) -> None:
        super().__init__("ada@example.com is not unique")
        for name, code in codes.items():
            setattr(self, name, code)


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ({"sqlite_errorname": "SQLITE_FULL"}, FULL),
        ({"sqlite_errorname": "SQLITE_BUSY_SNAPSHOT"}, LOCKED),
        ({"sqlite_errorname": "SQLITE_IOERR_WRITE"}, "its disk is full, at a limit, or fails"),
        ({"sqlite_errorname": "SQLITE_READONLY_DBMOVED"}, "it may only be read"),
        ({"sqlite_errorname": "SQLITE_CANTOPEN"}, "its file cannot be opened"),
        ({"sqlstate": "53100"}, FULL),
        ({"sqlstate": "55P03"}, LOCKED),
        ({"sqlstate": "57P01"}, "it does not answer as it should"),
        ({}, "it does not answer as it should"),
    ],
)
def test_a_driver_s_error_becomes_words_of_our_own(codes: dict[str, str], words: str) -> None:
    error = OperationalError("INSERT", {}, DriversError(**codes))
    assert trouble_of(error) == words
