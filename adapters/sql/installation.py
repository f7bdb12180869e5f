"""The one row that says which master key a database belongs to."""

import hmac

from sqlalchemy import select, update

from adapters.sql.database import Database
from adapters.sql.schema import installation


class WrongKey(Exception):
    """This database was made with another master key.

    With the wrong one no stored secret could be opened, and every callback would be turned away.
    """

    def __init__(self) -> None:
        super().__init__(
            "the master key is not the one that this database was made with; give that key by "
            "secret_key, or put its secret.key back into data_dir"
        )


async def is_claimed(database: Database) -> bool:
    """Whether the database has its key, and so is of no use with a new one."""
    async with database.reading() as connection:
        return bool((await connection.execute(select(installation.c.key_check))).scalar_one())


async def claim_key(database: Database, check: bytes) -> None:
    """Binds a new database to the key that `check` was derived from. Raises WrongKey."""
    async with database.writing() as connection:
        found = select(installation.c.key_check).with_for_update()
        known = (await connection.execute(found)).scalar_one()
        if not known:
            await connection.execute(update(installation).values(key_check=check))
        elif not hmac.compare_digest(known, check):
            raise WrongKey
