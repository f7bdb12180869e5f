"""What every TestMessages must do."""

import asyncio

from sqlalchemy import delete

from adapters.sql import schema
from tests.contracts.ports import NOW, Ports, SqlPorts


async def test_numbers_begin_at_1_and_no_two_tests_share_one(ports: Ports) -> None:
    assert await ports.tests.add(7, "a@example.com", at=NOW) == 1
    added = (ports.tests.add(7, "a@example.com", at=NOW) for _ in range(10))
    assert sorted(await asyncio.gather(*added)) == list(range(2, 12))


async def test_the_addresses_of_tests_are_read_by_number(ports: Ports) -> None:
    first = await ports.tests.add(7, "A@example.com", at=NOW)
    second = await ports.tests.add(8, "b@example.com", at=NOW)
    assert await ports.tests.emails([first, second, 99]) == {
        first: "A@example.com",
        second: "b@example.com",
    }
    assert await ports.tests.emails([]) == {}


async def test_more_numbers_than_one_statement_takes(ports: Ports) -> None:
    number = await ports.tests.add(7, "a@example.com", at=NOW)
    assert await ports.tests.emails(range(1, 1200)) == {number: "a@example.com"}


async def test_a_number_is_not_given_out_again_once_its_row_is_gone(sql_ports: SqlPorts) -> None:
    """Over SQL alone: callbacks of a test that was cleaned up must not become another one's."""
    tests = sql_ports.tests
    first = await tests.add(7, "a@example.com", at=NOW)
    async with sql_ports.database.writing() as connection:
        await connection.execute(delete(schema.test_messages))
    assert await tests.add(7, "a@example.com", at=NOW) == first + 1
