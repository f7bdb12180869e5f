"""What every TestMessages must do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from adapters.sql import schema
from adapters.sql.test_messages import SqlTestMessages
from services import ports
from tests.contracts.ports import NOW, SqlPorts, over_sql
from tests.fakes.clock import FakeClock
from tests.fakes.messages_of_tests import FakeTestMessages
from tests.fakes.store import Store


@pytest.fixture(params=["sql", "fake"])
async def tests(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[ports.TestMessages]:
    if request.param == "fake":
        yield FakeTestMessages(Store(FakeClock(NOW)))
        return
    async with over_sql(tmp_path) as made:
        yield SqlTestMessages(made.database)


async def test_numbers_begin_at_1_and_no_two_tests_share_one(tests: ports.TestMessages) -> None:
    assert await tests.add(7, "a@example.com", at=NOW) == 1
    added = (tests.add(7, "a@example.com", at=NOW) for _ in range(10))
    assert sorted(await asyncio.gather(*added)) == list(range(2, 12))


async def test_the_addresses_of_tests_are_read_by_number(tests: ports.TestMessages) -> None:
    first = await tests.add(7, "A@example.com", at=NOW)
    second = await tests.add(8, "b@example.com", at=NOW)
    assert await tests.emails([first, second, 99]) == {
        first: "A@example.com",
        second: "b@example.com",
    }
    assert await tests.emails([]) == {}


async def test_more_numbers_than_one_statement_takes(tests: ports.TestMessages) -> None:
    number = await tests.add(7, "a@example.com", at=NOW)
    assert await tests.emails(range(1, 1200)) == {number: "a@example.com"}


async def test_a_number_is_not_given_out_again_once_its_row_is_gone(sql_ports: SqlPorts) -> None:
    """Over SQL alone: callbacks of a test that was cleaned up must not become another one's."""
    tests = SqlTestMessages(sql_ports.database)
    first = await tests.add(7, "a@example.com", at=NOW)
    async with sql_ports.database.writing() as connection:
        await connection.execute(delete(schema.test_messages))
    assert await tests.add(7, "a@example.com", at=NOW) == first + 1
