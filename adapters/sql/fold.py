"""Applies what the log says to messages, counts and suppressions.

Callbacks are only appended when they come in; they are folded behind that in larger transactions,
each of which moves `folded_position` on: every entry is applied once, whatever dies.

Whoever folds holds the write lock, and those who send and those who take callbacks in wait for it.
So a stretch of the log is read first, and all that does not change with it; within the lock there
is nothing left but to see where the messages stand, and to write.
"""

from functools import partial

from sqlalchemy import Connection, select, update

from adapters.sql import schema
from adapters.sql.database import Database
from adapters.sql.fold_moves import move_messages
from adapters.sql.fold_stretch import Emails, Stretch, read_stretch
from adapters.sql.suppressions import add_to

_installation = schema.installation


class Fold:
    """Folds one log. What it knows of the recipients is kept from one stretch to the next."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._emails = Emails()

    async def __call__(self, *, limit: int) -> int:
        """Folds up to `limit` entries; how many are left."""
        while True:
            now = self._database.clock.now()
            read = partial(read_stretch, limit=limit, emails=self._emails, now=now)
            stretch = await self._database.read(read)
            if stretch.until == stretch.after:
                return 0
            left = await self._database.write(partial(_apply, stretch=stretch, now=now))
            if left is not None:
                return left


def _apply(connection: Connection, *, stretch: Stretch, now: float) -> int | None:
    """How many entries are left; None where somebody else has folded these meanwhile."""
    head = connection.execute(select(_installation).with_for_update()).one()
    if head.folded_position != stretch.after:
        return None
    move_messages(connection, stretch.callbacks, now=now)
    if stretch.suppressions:
        add_to(connection, stretch.suppressions)
    connection.execute(update(_installation).values(folded_position=stretch.until))
    # Read again: what is folded may have added to the log.
    last: int = connection.execute(select(_installation.c.last_position)).scalar_one()
    return last - stretch.until
