"""The suppressed addresses in SQL."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain, repeat
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select

from adapters.sql import schema
from adapters.sql.database import Database
from adapters.sql.prepared import Prepared
from domain.suppression import Suppression, SuppressionReason

_table = schema.suppressions
# Keys in one statement: every database takes so many parameters.
_KEYS = 500


class SqlSuppressionRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def suppressed(self, keys: Collection[str]) -> Mapping[str, Suppression]:
        return await self._database.read(partial(_found, keys=keys))

    async def add(self, suppressions: Sequence[Suppression]) -> int:
        return await self._database.write(lambda connection: add_to(connection, suppressions))

    async def remove(self, keys: Collection[str]) -> int:
        removed = 0
        async with self._database.writing() as connection:
            for some in _parts(keys):
                result = await connection.execute(delete(_table).where(_table.c.key.in_(some)))
                removed += result.rowcount
        return removed

    async def list(
        self,
        *,
        after: str,
        limit: int,
        reason: SuppressionReason | None = None,
        key_prefix: str = "",
    ) -> Sequence[Suppression]:
        found = select(_table).where(_table.c.key > after).order_by(_table.c.key).limit(limit)
        if key_prefix:
            found = found.where(_table.c.key.startswith(key_prefix, autoescape=True))
        if reason is not None:
            found = found.where(_table.c.reason == reason.value)
        async with self._database.reading() as connection:
            return [_read(row) for row in await connection.execute(found)]


def add_to(connection: Connection, suppressions: Sequence[Suppression]) -> int:
    """Within a transaction; how many were new."""
    # Reversed, so that of two with one key the first stays.
    by_key = {s.key: s for s in reversed(suppressions)}
    there = _found(connection, by_key)
    rows = [asdict(s) for key, s in by_key.items() if key not in there]
    if rows:
        connection.execute(insert(_table), rows)
    return len(rows)


# All of one shape, so that it is compiled once: what is missing to _KEYS is filled up with repeats.
_FOUND = Prepared(
    select(_table).where(_table.c.key.in_([bindparam(f"key{i}") for i in range(_KEYS)]))
)


def _found(connection: Connection, keys: Collection[str]) -> dict[str, Suppression]:
    found: dict[str, Suppression] = {}
    for some in _parts(keys):
        filled = chain(some, repeat(some[0]))
        rows = _FOUND.execute(connection, {f"key{i}": next(filled) for i in range(_KEYS)})
        found.update({row.key: _read(row) for row in rows})
    return found


def _parts(keys: Collection[str]) -> Iterator[Sequence[str]]:
    distinct = tuple(set(keys))
    for start in range(0, len(distinct), _KEYS):
        yield distinct[start : start + _KEYS]


def _read(row: Row[Any]) -> Suppression:
    values = dict(row._mapping)
    return Suppression(**{**values, "reason": SuppressionReason(row.reason)})
