import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError

from adapters.sql import schema
from adapters.sql.database import Database
from domain.errors import TryLater
from tests.fakes.clock import FakeClock
from tests.tables import create_schema

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


_LONG = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
    SELECT max(i) FROM n
"""


async def count(database: Database) -> None:
    """Writes, then keeps the driver busy for some tenths of a second."""
    async with database.writing() as connection:
        await connection.execute(update(installation).values(last_position=9))
        await connection.execute(text(_LONG))


async def cancelled_after(turns: int, work: Coroutine[None, None, None]) -> None:
    """Runs `work`, and cancels it after so many turns of the loop."""
    task = asyncio.create_task(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 10, 100, 1000, 2000, 4000])
async def test_a_task_that_is_cancelled_anywhere_leaves_no_lock_and_nothing_stored(
    database: Database, turns: int
) -> None:
    await cancelled_after(turns, count(database))
    assert await position(database) == 0
    await raise_position(database)
    assert await position(database) == 1


async def test_a_task_that_is_cancelled_while_it_waits_for_the_lock_does_not_keep_it(
    database: Database, url: str
) -> None:
    patient = Database(url, clock=FakeClock(), busy_seconds=60)
    async with database.writing() as connection:
        waiting = asyncio.create_task(cancelled_after(2000, raise_position(patient)))
        await connection.execute(update(installation).values(last_position=4))
        for _ in range(3000):
            await asyncio.sleep(0)
    await waiting
    await raise_position(database)
    assert await position(database) == 5
    await patient.close()


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


_SECRET = "ada@example.com"


async def insert_twice(database: Database) -> None:
    row = {"id": 1, "key_check": _SECRET.encode(), "last_position": 0, "folded_position": 0}
    async with database.writing() as connection:
        await connection.execute(insert(installation), [row, row])


async def insert_elsewhere(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(text("INSERT INTO gone VALUES (:address)"), {"address": _SECRET})


async def search_elsewhere(database: Database) -> None:
    async with database.reading() as connection:
        await connection.execute(text("SELECT :address FROM gone"), {"address": _SECRET})


async def insert_in_the_thread(database: Database) -> None:
    statement = text("INSERT INTO gone VALUES (:address)")
    await database.write(lambda connection: connection.execute(statement, {"address": _SECRET}))


@pytest.mark.parametrize(
    ("fail", "kind"),
    [
        (insert_twice, "IntegrityError"),
        (insert_in_the_thread, "OperationalError"),
        (insert_elsewhere, "OperationalError"),
        (search_elsewhere, "OperationalError"),
    ],
)
async def test_no_error_shows_what_a_statement_was_given(
    database: Database, fail: Callable[[Database], Coroutine[None, None, None]], kind: str
) -> None:
    with pytest.raises((TryLater, IntegrityError)) as caught:
        await fail(database)
    # All of it, as a log would have it: the causes, and the statement.
    told = "".join(traceback.format_exception(caught.value))
    assert f"sqlalchemy.exc.{kind}" in told
    assert "[SQL: " in told
    assert _SECRET not in told
