"""One database: its transactions, and the errors that they end in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.sql.schema import installation
from adapters.sql.sqlite import OwnSqlite, lock, prepare
from adapters.sql.troubles import LOCKED, trouble_of
from adapters.sql.unbroken import UnbrokenConnection
from domain.errors import TryLater
from services.ports import Clock

T = TypeVar("T")

# How long (seconds) a transaction waits for the one that is writing.
_BUSY_SECONDS = 30.0


class Database:
    """Opens connections when they are first needed; nothing connects on construction.

    A driver's error is wrapped once, here: what may pass (a lock, a full disk, a lost connection)
    becomes TryLater and nothing was stored; what is a fault of the program stays as it is.

    `trouble` is why this process could write nothing of late, as the end of a sentence; empty once
    a `probe` could.
    """

    def __init__(self, url: str, *, clock: Clock, busy_seconds: float = _BUSY_SECONDS) -> None:
        self.clock = clock
        self.trouble = ""
        self._busy_seconds = busy_seconds
        self._is_sqlite = url.startswith("sqlite")
        self._readers = _engine(url, busy_seconds)
        self._writers = _engine(url, 0.0) if self._is_sqlite else self._readers
        # Among the tasks of a process the lock is handed on; between processes it is asked for.
        self._turn = asyncio.Lock() if self._is_sqlite else None
        self._own = OwnSqlite(url, busy_seconds, self._wait_long) if self._is_sqlite else None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose statements see one state of the database."""
        try:
            async with UnbrokenConnection(self._readers) as connection:
                if self._is_sqlite:
                    await connection.exec_driver_sql("BEGIN")
                yield connection
        except (OperationalError, InterfaceError) as error:
            raise _unavailable(trouble_of(error)) from error

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: stored as a whole when the block ends, not at all when it raises.

        On SQLite it holds the one write lock from its start, so that what it reads stays true.
        """
        try:
            async with self._in_turn(), UnbrokenConnection(self._writers) as connection:
                if self._is_sqlite:
                    begin = partial(_begin, connection)
                    await lock(begin, within=self._busy_seconds, long_wait=self._wait_long)
                try:
                    yield connection
                except BaseException:
                    await connection.rollback()
                    raise
                await connection.commit()
        except (OperationalError, InterfaceError) as error:
            self.trouble = trouble_of(error)
            raise _unavailable(self.trouble) from error

    async def read(self, look: Callable[[Connection], T]) -> T:
        """What `look` returns, whose statements see one state of the database; see `write`."""
        if self._own is None:
            async with self.reading() as connection:
                return await connection.run_sync(look)
        try:
            return self._own.read(look)
        except (OperationalError, InterfaceError) as error:
            raise _unavailable(trouble_of(error)) from error

    async def write(self, transact: Callable[[Connection], T]) -> T:
        """What `transact` returns, whose statements are one transaction as those of `writing` are.

        For what is written thousands of times: on SQLite the statements run where they are called,
        while `writing` changes threads twice for each of them. They had better be quick, since
        nothing else goes on meanwhile.
        """
        if self._own is None:
            async with self.writing() as connection:
                return await connection.run_sync(transact)
        try:
            async with self._in_turn():
                return await self._own.write(transact)
        except (OperationalError, InterfaceError) as error:
            self.trouble = trouble_of(error)
            raise _unavailable(self.trouble) from error

    async def probe(self) -> None:
        """Writes what is there already, to see whether it can. Raises TryLater."""
        same = update(installation).values(id=installation.c.id)
        await self.write(lambda connection: connection.execute(same).rowcount)
        self.trouble = ""

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """Waits for the others of this process, as long as for those of another: not for each."""
        if self._turn is None:
            yield
            return
        try:
            async with asyncio.timeout(self._busy_seconds):
                await self._turn.acquire()
        except TimeoutError:
            raise _unavailable(self.trouble or "too many wait for it") from None
        try:
            yield
        finally:
            self._turn.release()

    def _wait_long(self) -> None:
        self.trouble = LOCKED

    async def close(self) -> None:
        await self._readers.dispose()
        await self._writers.dispose()
        if self._own is not None:
            await self._own.close()


async def _begin(connection: AsyncConnection) -> None:
    await connection.exec_driver_sql("BEGIN IMMEDIATE")


def _engine(url: str, busy_seconds: float) -> AsyncEngine:
    # Parameters are people's addresses, names and texts: no error and no log may hold them.
    if not url.startswith("sqlite"):
        return create_async_engine(url, hide_parameters=True)
    engine = create_async_engine(url, hide_parameters=True, connect_args={"timeout": _BUSY_SECONDS})

    prepare(engine.sync_engine, busy_seconds)
    return engine


def _unavailable(why: str) -> TryLater:
    return TryLater(f"the database cannot be reached or written: {why}; try again later")
