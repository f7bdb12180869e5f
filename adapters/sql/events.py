"""The event log in SQL: positions are given out within the transaction that appends."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import select

from adapters.sql import schema
from adapters.sql.database import Database
from adapters.sql.event_rows import entries_from, entry_of, store_callbacks
from adapters.sql.event_search import entries_at, position_at
from adapters.sql.fold import fold_entries
from domain.callback import Attributed, Unprocessed
from domain.event_filter import EventFilter
from domain.events import EVENTS_OF_CALLBACK, Cursor, LogEntry
from domain.provider import Provider

# Bounds one transaction: a call has up to a thousand events.
_CALLS_PER_COMMIT = 64
# Seconds between two looks for the next entry.
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    provider_id: int
    events: Sequence[Attributed]
    unprocessed: Sequence[Unprocessed]
    received_at: float
    done: asyncio.Future[Sequence[Attributed]]


class SqlEventLog:
    """Takes callbacks in, reads the log and folds it.

    What comes while a commit runs goes into the next one together, without a timer: a lone call
    waits for nobody, and many at once share what a commit costs.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Call] = []
        self._committer: asyncio.Task[None] | None = None

    async def record_callbacks(
        self,
        provider: Provider,
        events: Sequence[Attributed],
        unprocessed: Sequence[Unprocessed],
        *,
        received_at: float,
    ) -> Sequence[Attributed]:
        if not events and not unprocessed:
            return ()
        call = _Call(
            provider_id=provider.provider_id,
            events=events,
            unprocessed=unprocessed,
            received_at=received_at,
            done=asyncio.get_running_loop().create_future(),
        )
        self._waiting.append(call)
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._commit_waiting())
        return await call.done

    async def read(
        self, *, after: Cursor, limit: int, campaign_number: int | None = None
    ) -> Sequence[LogEntry]:
        # One more, since the first may be an entry that the reader has in full.
        found = entries_from(after.position, limit=limit + 1, campaign_number=campaign_number)
        async with self._database.reading() as connection:
            entries = [entry_of(row) for row in await connection.execute(found)]
        if entries and _is_read(entries[0], after):
            return entries[1:]
        return entries[:limit]

    async def search(
        self, *, where: EventFilter, positions: range, limit: int, newest_first: bool = False
    ) -> Sequence[LogEntry]:
        found = entries_at(positions, where, limit=limit, newest_first=newest_first)
        async with self._database.reading() as connection:
            return [entry_of(row) for row in await connection.execute(found)]

    async def position_at(self, time: float) -> int:
        async with self._database.reading() as connection:
            return await position_at(connection, time)

    async def head(self) -> int:
        async with self._database.reading() as connection:
            found = await connection.execute(select(schema.installation.c.last_position))
            last: int = found.scalar_one()
            return last

    async def wait(self, *, after: int, timeout_seconds: float) -> None:
        """Other processes append as well, and a database tells nobody: it is asked."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                # Nothing in this process knows when another one appends.
                while await self.head() <= after:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_SECONDS)

    async def fold(self, *, limit: int) -> int:
        async with self._database.writing() as connection:
            return await fold_entries(connection, limit=limit, now=self._database.clock.now())

    async def _commit_waiting(self) -> None:
        while calls := self._waiting[:_CALLS_PER_COMMIT]:
            del self._waiting[: len(calls)]
            try:
                answers = await self._commit(calls)
            except Exception as error:  # noqa: BLE001 - every caller is told, each in its own task
                _fail(calls, error)
            except BaseException:
                # The loop is closing: whoever waits must not wait for ever.
                for call in (*calls, *self._waiting):
                    call.done.cancel()
                raise
            else:
                _answer(calls, answers)

    async def _commit(self, calls: Sequence[_Call]) -> list[Sequence[Attributed]]:
        async with self._database.writing() as connection:
            return [
                await store_callbacks(
                    connection,
                    call.provider_id,
                    call.events,
                    call.unprocessed,
                    received_at=call.received_at,
                )
                for call in calls
            ]


def _answer(calls: Sequence[_Call], answers: Sequence[Sequence[Attributed]]) -> None:
    for call, answer in zip(calls, answers, strict=True):
        # A caller that went away has cancelled its future.
        if not call.done.done():
            call.done.set_result(answer)


def _fail(calls: Sequence[_Call], error: Exception) -> None:
    for call in calls:
        if not call.done.done():
            call.done.set_exception(error)


def _is_read(entry: LogEntry, after: Cursor) -> bool:
    if entry.position != after.position:
        return False
    kind = entry.callback_type
    size = len(entry.ordinals if kind is None else EVENTS_OF_CALLBACK[kind])
    return after.offset + 1 >= size
