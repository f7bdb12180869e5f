"""The tables of a database, for tests that need no migrations."""

from sqlalchemy import insert

from adapters.sql import schema
from adapters.sql.database import Database


async def create_schema(database: Database) -> None:
    """All tables, empty, as the migrations leave them: `test_migrations` compares the two."""
    async with database.writing() as connection:
        await connection.run_sync(schema.metadata.create_all)
        await connection.execute(
            insert(schema.installation).values(
                id=1, key_check=b"", last_position=0, folded_position=0
            )
        )
