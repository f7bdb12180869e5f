import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from adapters.sql import schema
from adapters.sql.database import Database, create_schema
from domain.errors import TryLater
from tests.fakes.clock import FakeClock

installation = schema.installation


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'one.db'}"


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    # It waits for no lock: one that is left behind shows at once.
    made = Database(url, clock=FakeClock(), busy_seconds=0)
    await create_schema(made)
    yield made
    await made.close()


async def position(database: Database) -> int:
    async with database.reading() as connection:
        found = await connection.execute(select(installation.c.last_position))
        return int(found.scalar_one())


async def raise_position(database: Database, steps: int = 1) -> None:
    async with database.writing() as connection:
        for _ in range(steps):
            more = update(installation).values(last_position=installation.c.last_position + 1)
            await connection.execute(more)


async def fail_half_way(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(update(installation).values(last_position=7))
        raise ZeroDivisionError


async def test_a_transaction_is_stored_as_a_whole(database: Database) -> None:
    await raise_position(database, 3)
    assert await position(database) == 3


async def test_a_transaction_that_raises_stores_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await fail_half_way(database)
    assert await position(database) == 0


@pytest.mark.parametrize("turns", range(60))
async def test_a_task_that_is_cancelled_anywhere_leaves_no_lock_and_nothing_half_stored(
    database: Database, turns: int
) -> None:
    writing = asyncio.create_task(raise_position(database, 5))
    for _ in range(turns):
        # One turn of the loop at a time, so that each place is hit by some case.
        await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    before = await position(database)
    assert before in (0, 5)
    await raise_position(database)
    assert await position(database) == before + 1


async def test_a_reader_sees_one_state_while_another_writes(database: Database) -> None:
    async with database.reading() as connection:
        found = select(installation.c.last_position)
        assert await connection.scalar(found) == 0
        await raise_position(database)
        assert await connection.scalar(found) == 0
    assert await position(database) == 1


async def test_a_lock_that_does_not_end_is_told_as_something_to_try_again(
    database: Database, url: str
) -> None:
    other = Database(url, clock=FakeClock(), busy_seconds=0)
    async with database.writing() as connection:
        await connection.execute(update(installation).values(last_position=1))
        with pytest.raises(TryLater, match="try again"):
            await raise_position(other)
    await other.close()


async def test_a_fault_of_the_program_is_not_told_as_something_to_try_again(
    database: Database,
) -> None:
    async with database.writing() as connection:
        with pytest.raises(Exception, match="UNIQUE"):
            await connection.execute(
                insert(installation).values(id=1, key_check=b"", last_position=0, folded_position=0)
            )
