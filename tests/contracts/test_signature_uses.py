"""What every SignatureUses must do."""

import asyncio

import pytest
from sqlalchemy import func, select

from adapters.sql import schema
from adapters.sql.database import Database
from adapters.sql.signature_uses import SqlSignatureUses
from domain.errors import TryLater
from services.ports import Trace
from tests.contracts.ports import NOW, Ports, SqlPorts


def trace(use: bytes, body: bytes = b"body", until: float = NOW + 600) -> Trace:
    return Trace(use=use, body=body, until=until)


async def test_a_use_is_found_with_the_body_that_it_was_remembered_with(ports: Ports) -> None:
    await ports.signature_uses.add([trace(b"one", b"first"), trace(b"two", b"second")])
    assert await ports.signature_uses.find([b"one", b"two", b"three"]) == {
        b"one": b"first",
        b"two": b"second",
    }
    assert await ports.signature_uses.find([]) == {}


async def test_bytes_come_back_as_they_were(ports: Ports) -> None:
    use, body = bytes(range(32)), bytes(range(224, 256))
    await ports.signature_uses.add([trace(use, body)])
    assert await ports.signature_uses.find([use]) == {use: body}


async def test_the_first_body_of_a_use_stays(ports: Ports) -> None:
    await ports.signature_uses.add([trace(b"one", b"first")])
    await ports.signature_uses.add([trace(b"one", b"another")])
    assert await ports.signature_uses.find([b"one"]) == {b"one": b"first"}


async def test_of_many_at_once_exactly_one_body_is_remembered(ports: Ports) -> None:
    bodies = [b"%d" % number for number in range(20)]
    await asyncio.gather(*(ports.signature_uses.add([trace(b"one", body)]) for body in bodies))
    found = await ports.signature_uses.find([b"one"])
    assert found[b"one"] in bodies


async def test_what_is_past_its_time_is_forgotten_when_others_come(ports: Ports) -> None:
    await ports.signature_uses.add([trace(b"old", until=NOW + 60), trace(b"new", until=NOW + 600)])
    ports.clock.advance(120)
    await ports.signature_uses.add([trace(b"newer", until=NOW + 900)])
    found = await ports.signature_uses.find([b"old", b"new", b"newer"])
    assert set(found) == {b"new", b"newer"}


async def test_nothing_is_remembered_while_the_storage_takes_nothing(ports: Ports) -> None:
    ports.be_busy(True)
    with pytest.raises(TryLater):
        await ports.signature_uses.add([trace(b"one")])
    ports.be_busy(False)
    assert await ports.signature_uses.find([b"one"]) == {}
    await ports.signature_uses.add([trace(b"one")])
    assert set(await ports.signature_uses.find([b"one"])) == {b"one"}


async def test_another_process_knows_them_as_well(sql_ports: SqlPorts) -> None:
    """Over SQL alone: the fakes of two processes would share nothing."""
    await sql_ports.signature_uses.add([trace(b"one")])
    other = Database(sql_ports.url, clock=sql_ports.clock)
    try:
        assert set(await SqlSignatureUses(other).find([b"one"])) == {b"one"}
    finally:
        await other.close()


async def test_many_at_once_share_their_commits(sql_ports: SqlPorts) -> None:
    """Over SQL alone: only there a commit costs something."""
    before = sql_ports.database.commits
    many = (sql_ports.signature_uses.add([trace(b"%d" % number)]) for number in range(50))
    await asyncio.gather(*many)
    async with sql_ports.database.reading() as connection:
        count = await connection.scalar(select(func.count()).select_from(schema.signature_uses))
    assert count == 50
    assert sql_ports.database.commits - before <= 3
