import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, select

from adapters.sql import schema
from adapters.sql.database import Database
from adapters.sql.migrate import migrations, upgrade
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
