"""The test emails in SQL."""

from collections.abc import Collection, Mapping

from sqlalchemy import insert, select

from adapters.sql import schema
from adapters.sql.database import Database

# Below the number of parameters that every database takes in one statement.
_NUMBERS_AT_ONCE = 500

_tests = schema.test_messages


class SqlTestMessages:
    """TestMessages over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, provider_id: int, email: str, *, at: float) -> int:
        """See the port."""
        row = {"provider_id": provider_id, "email": email, "created_at": at}
        added = insert(_tests).values(row).returning(_tests.c.number)
        async with self._database.writing() as connection:
            return int((await connection.execute(added)).scalar_one())

    async def emails(self, numbers: Collection[int]) -> Mapping[int, str]:
        """See the port."""
        wanted = sorted(set(numbers))
        found: dict[int, str] = {}
        async with self._database.reading() as connection:
            for start in range(0, len(wanted), _NUMBERS_AT_ONCE):
                some = wanted[start : start + _NUMBERS_AT_ONCE]
                rows = select(_tests.c.number, _tests.c.email).where(_tests.c.number.in_(some))
                found |= {row.number: row.email for row in await connection.execute(rows)}
        return found
