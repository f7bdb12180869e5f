"""The event log in SQL: positions are given out within the transaction that appends."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import Connection, Select, select

from adapters.sql import schema
from adapters.sql.callback_rows import Call, store_calls
from adapters.sql.database import Database
from adapters.sql.event_rows import entries_from, entry_of
from adapters.sql.event_search import entries_at, position_at
from adapters.sql.fold import Fold
from adapters.sql.log_watch import LogWatch
from adapters.sql.prepared import Prepared
from domain.callback import Attributed, Unprocessed
from domain.event_filter import EventFilter
from domain.events import EVENTS_OF_CALLBACK, Cursor, LogEntry
from domain.provider import Provider
from services.ports import Kept

# Bounds one transaction, which takes about 10 µs for an event: nobody else can write meanwhile.
_EVENTS_PER_COMMIT = 2000
_installation = schema.installation.c
_HEAD = Prepared(select(_installation.last_position))
_LAG = Prepared(select(_installation.last_position - _installation.folded_position))


# A plain tuple: one is made for every request.
_Waiting: TypeAlias = "tuple[Call, asyncio.Future[Sequence[Attributed]]]"


class SqlEventLog:
    """Takes callbacks in, reads the log and folds it.

    What comes while a commit runs goes into the next one together, without a timer: a lone call
    waits for nobody, and many at once share what a commit costs.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._committer: asyncio.Task[None] | None = None
        self._sizes: dict[tuple[int, int, int], int] = {}
        self._fold = Fold(database)
        self._watch = LogWatch(self.head)

    async def record_callbacks(
        self,
        provider: Provider,
        events: Sequence[Attributed],
        unprocessed: Sequence[Unprocessed],
        *,
        received_at: float,
        kept: Kept | None = None,
        again: bool = False,
    ) -> Sequence[Attributed]:
        if not events and not unprocessed and kept is None:
            return ()
        done: asyncio.Future[Sequence[Attributed]] = asyncio.get_running_loop().create_future()
        call = Call(provider.provider_id, events, unprocessed, received_at, kept, again)
        self._waiting.append((call, done))
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._commit_waiting())
        return await done

    async def read(
        self, *, after: Cursor, limit: int, campaign_number: int | None = None
    ) -> Sequence[LogEntry]:
        # One more, since the first may be an entry that the reader has in full.
        found = entries_from(after.position, limit=limit + 1, campaign_number=campaign_number)
        entries = await self._entries(found)
        if entries and _is_read(entries[0], after):
            return entries[1:]
        return entries[:limit]

    async def search(
        self, *, where: EventFilter, positions: range, limit: int, newest_first: bool = False
    ) -> Sequence[LogEntry]:
        return await self._entries(
            entries_at(positions, where, limit=limit, newest_first=newest_first)
        )

    async def position_at(self, time: float) -> int:
        return await self._database.read(partial(position_at, time=time))

    async def head(self) -> int:
        return await self._database.read(_head)

    async def lag(self) -> int:
        return await self._database.read(_lag)

    async def wait(self, *, after: int, timeout_seconds: float) -> None:
        await self._watch.wait(after=after, timeout_seconds=timeout_seconds)

    async def fold(self, *, limit: int) -> int:
        return await self._fold(limit=limit)

    async def _entries(self, found: Select[Any]) -> list[LogEntry]:
        # In a thread: where a condition has no index, a search takes some tens of milliseconds.
        async with self._database.reading() as connection:
            return [entry_of(row) for row in await connection.execute(found)]

    async def _commit_waiting(self) -> None:
        while self._waiting:
            # Once around the loop: what has arrived by now comes along.
            await asyncio.sleep(0)
            waiting = self._next_group()
            calls = [call for call, _ in waiting]
            try:
                answers = await self._database.write(
                    lambda connection: store_calls(connection, calls, self._sizes)  # noqa: B023
                )
            except Exception as error:  # noqa: BLE001 - every caller is told, each in its own task
                _fail(waiting, error)
            except BaseException:
                # The loop is closing: whoever waits must not wait for ever.
                for _, done in (*waiting, *self._waiting):
                    done.cancel()
                raise
            else:
                _answer(waiting, answers)

    def _next_group(self) -> Sequence[_Waiting]:
        """The calls that have waited longest, as many as fit into one commit; at least one."""
        events = count = 0
        for call, _ in self._waiting:
            events += len(call.events) + len(call.unprocessed)
            if count and events > _EVENTS_PER_COMMIT:
                break
            count += 1
        group = self._waiting[:count]
        del self._waiting[:count]
        return group


def _head(connection: Connection) -> int:
    return int(_HEAD.execute(connection, {}).scalar_one())


def _lag(connection: Connection) -> int:
    return int(_LAG.execute(connection, {}).scalar_one())


def _answer(waiting: Sequence[_Waiting], answers: Sequence[Sequence[Attributed]]) -> None:
    for (_, done), answer in zip(waiting, answers, strict=True):
        # A caller that went away has cancelled its future.
        if not done.done():
            done.set_result(answer)


def _fail(waiting: Sequence[_Waiting], error: Exception) -> None:
    for _, done in waiting:
        if not done.done():
            done.set_exception(error)


def _is_read(entry: LogEntry, after: Cursor) -> bool:
    if entry.position != after.position:
        return False
    kind = entry.callback_type
    size = len(entry.ordinals if kind is None else EVENTS_OF_CALLBACK[kind])
    return after.offset + 1 >= size
