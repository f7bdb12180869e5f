import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, column, insert, inspect, select, table, update

from adapters.sql import schema
from adapters.sql.chunk_rows import read_chunk, write_requests
from adapters.sql.database import Database
from adapters.sql.migrate import migrations, upgrade
from domain.chunk import ChunkState, OpenRequest
from domain.message import MessageState
from tests.fakes.clock import FakeClock


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(f"sqlite+aiosqlite:///{tmp_path / 'new.db'}", clock=FakeClock())
    yield made
    await made.close()


def differences(connection: Connection) -> object:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return compare_metadata(context, schema.metadata)


async def test_the_migrations_make_the_schema_that_the_code_declares(database: Database) -> None:
    await upgrade(database)
    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_taking_back_the_migrations_leaves_no_table(database: Database) -> None:
    await upgrade(database)
    async with database.writing() as connection:
        await connection.run_sync(lambda sync: command.downgrade(migrations(sync), "base"))
    async with database.reading() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert names == ["alembic_version"]


async def test_two_starts_at_once_on_one_file_are_one_upgrade(
    database: Database, tmp_path: Path
) -> None:
    other = Database(f"sqlite+aiosqlite:///{tmp_path / 'new.db'}", clock=FakeClock())
    await asyncio.gather(upgrade(database), upgrade(other))
    await other.close()
    async with database.reading() as connection:
        rows = (await connection.execute(select(schema.installation))).all()
    assert [(row.id, row.last_position) for row in rows] == [(1, 0)]


# As the first version wrote them, in a chunk of three messages of which the first was taken.
OPEN_REQUESTS = [
    {
        "ordinals": [1001],
        "provider_version": 2,
        "omitted": ["copy@example.com"],
        "attempts": 3,
        "first_attempt_at": 1750000000.25,
        "not_before": 1750000009.5,
        "posting": False,
        "doubtful": True,
    },
    {
        "ordinals": [1002],
        "provider_version": 3,
        "omitted": [],
        "attempts": 1,
        "first_attempt_at": None,
        "not_before": 0.0,
        "posting": True,
        "doubtful": False,
    },
]


def chunk_of_the_first_version() -> dict[str, Any]:
    return {
        "campaign_number": 7,
        "number": 1,
        "size": 3,
        "state": int(ChunkState.POSTING),
        "epoch": 4,
        "worker": "w",
        "lease_until": 1750000010.0,
        "not_before": 0.0,
        "open": bytes([0b110]),
        "requests": orjson.dumps(OPEN_REQUESTS).decode(),
        **dict.fromkeys((state.value.lower() for state in MessageState), 0),
        "accepted": 1,
        "queued": 1,
        "sending": 1,
    }


async def run(database: Database, move: Callable[[Config, str], None], to: str) -> None:
    async with database.writing() as connection:
        await connection.run_sync(lambda sync: move(migrations(sync), to))


async def test_requests_that_are_open_survive_the_way_up_and_down(database: Database) -> None:
    busy = chunk_of_the_first_version()
    idle = {**busy, "number": 2, "requests": "[]"}
    await run(database, command.upgrade, "0001")
    chunks = table("chunks", *map(column, busy))
    async with database.writing() as connection:
        await connection.execute(insert(chunks), [busy, idle])

    await upgrade(database)

    async with database.reading() as connection:
        stored = (await connection.execute(select(schema.chunks))).all()
    chunk, waiting = map(read_chunk, stored)
    assert chunk.requests == (
        OpenRequest(
            ordinals=(1001,),
            provider_version=2,
            omitted=("copy@example.com",),
            attempts=3,
            first_attempt_at=1750000000.25,
            not_before=1750000009.5,
            doubtful=True,
        ),
        OpenRequest(ordinals=(1002,), provider_version=3, attempts=1, posting=True),
    )
    assert list(chunk.open_ordinals()) == [1001, 1002]
    assert (chunk.state, chunk.epoch, waiting.requests) == (ChunkState.POSTING, 4, ())
    assert [each.revision for each in stored] == [0, 0]

    renewed = write_requests(tuple(replace(each, predecessors=1) for each in chunk.requests))
    busy_one = schema.chunks.c.number == 1
    async with database.writing() as connection:
        await connection.execute(update(schema.chunks).where(busy_one).values(requests=renewed))
    await run(database, command.downgrade, "0001")

    async with database.reading() as connection:
        first, second = await connection.execute(select(chunks).order_by(chunks.c.number))
    assert orjson.loads(first.requests) == OPEN_REQUESTS
    assert {**first._mapping, "requests": busy["requests"]} == busy
    assert dict(second._mapping) == idle
