"""Brings a database to the present schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from adapters.sql.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"


async def upgrade(database: Database) -> None:
    """Runs the migrations that are missing, in one transaction.

    Of two processes that start at once the second waits, and finds nothing left to do.
    """
    async with database.writing() as connection:
        await connection.run_sync(_run)


def _run(connection: Connection) -> None:
    command.upgrade(migrations(connection), "head")


def migrations(connection: Connection) -> Config:
    """What Alembic's commands need to work on this connection."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config
