"""One database: its transactions, and the errors that they end in."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.sql.unbroken import UnbrokenConnection
from domain.errors import TryLater
from services.ports import Clock
from services.waiting import wait_out

T = TypeVar("T")

# How long (seconds) a transaction waits for the one that is writing.
_BUSY_SECONDS = 30.0
# And how long until it asks again.
_LOCK_SECONDS = 0.001


class Database:
    """Opens connections when they are first needed; nothing connects on construction.

    A driver's error is wrapped once, here: what may pass (a lock, a full disk, a lost connection)
    becomes TryLater and nothing was stored; what is a fault of the program stays as it is.
    """

    def __init__(self, url: str, *, clock: Clock, busy_seconds: float = _BUSY_SECONDS) -> None:
        self.clock = clock
        self._busy_seconds = busy_seconds
        self._is_sqlite = url.startswith("sqlite")
        self._readers = _engine(url, busy_seconds)
        self._writers = _engine(url, _LOCK_SECONDS) if self._is_sqlite else self._readers
        # Among the tasks of a process the lock is handed on; between processes it is asked for.
        self._turn = asyncio.Lock() if self._is_sqlite else nullcontext()
        self._thread = SqliteThread(url, busy_seconds) if self._is_sqlite else None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose statements see one state of the database."""
        try:
            async with UnbrokenConnection(self._readers) as connection:
                if self._is_sqlite:
                    await connection.exec_driver_sql("BEGIN")
                yield connection
        except (OperationalError, InterfaceError) as error:
            raise _unavailable() from error

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: stored as a whole when the block ends, not at all when it raises.

        On SQLite it holds the one write lock from its start, so that what it reads stays true.
        """
        try:
            async with self._turn, UnbrokenConnection(self._writers) as connection:
                if self._is_sqlite:
                    await self._lock(connection)
                try:
                    yield connection
                except BaseException:
                    await connection.rollback()
                    raise
                await connection.commit()
        except (OperationalError, InterfaceError) as error:
            raise _unavailable() from error

    async def write(self, transact: Callable[[Connection], T]) -> T:
        """What `transact` returns, whose statements are one transaction as those of `writing` are.

        For what is written thousands of times: SQLite runs it within one thread, where `writing`
        changes threads twice for every statement.
        """
        if self._thread is None:
            async with self.writing() as connection:
                return await connection.run_sync(transact)
        try:
            async with self._turn:
                return await wait_out(self._thread.run(transact))
        except (OperationalError, InterfaceError) as error:
            raise _unavailable() from error

    async def _lock(self, connection: AsyncConnection) -> None:
        """Asks for the write lock every millisecond.

        SQLite's own way to wait sleeps for up to a tenth of a second at a time: with two processes
        that write a thousand times a second, hardly anybody would ever write.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._busy_seconds
        while True:
            try:
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError:
                if loop.time() >= deadline:
                    raise
                await asyncio.sleep(_LOCK_SECONDS)
            else:
                return

    async def close(self) -> None:
        await self._readers.dispose()
        await self._writers.dispose()
        if self._thread is not None:
            await self._thread.close()


class SqliteThread:
    """A thread with a connection of its own, for transactions that no other task takes part in."""

    def __init__(self, url: str, busy_seconds: float) -> None:
        self._busy_seconds = busy_seconds
        self._engine: Engine = create_engine(
            make_url(url).set(drivername="sqlite+pysqlite"), hide_parameters=True
        )
        _prepare(self._engine, _LOCK_SECONDS)
        self._connection: Connection | None = None
        self._executor = ThreadPoolExecutor(1, "espalier-sqlite")

    def run(self, transact: Callable[[Connection], T]) -> "asyncio.Future[T]":
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._executor, self._transaction, transact)

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._disconnect)
        self._executor.shutdown()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    def _transaction(self, transact: Callable[[Connection], T]) -> T:
        # To take one out of the pool each time costs as much as a statement.
        connection = self._connection = self._connection or self._engine.connect()
        try:
            self._lock(connection)
            result = transact(connection)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        return result

    def _lock(self, connection: Connection) -> None:
        """As `Database` does it: see there."""
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_LOCK_SECONDS)
            else:
                return


def _engine(url: str, busy_seconds: float) -> AsyncEngine:
    # Parameters are people's addresses, names and texts: no error and no log may hold them.
    if not url.startswith("sqlite"):
        return create_async_engine(url, hide_parameters=True)
    engine = create_async_engine(url, hide_parameters=True, connect_args={"timeout": _BUSY_SECONDS})

    _prepare(engine.sync_engine, busy_seconds)
    return engine


def _prepare(engine: Engine, busy_seconds: float) -> None:
    def prepare(connection: Any, _: object) -> None:
        _prepare_sqlite(connection, busy_seconds)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", _begin_nothing)


def _prepare_sqlite(connection: Any, busy_seconds: float) -> None:
    # No transactions of the driver's own: `writing` begins them as they must be.
    connection.isolation_level = None
    cursor = connection.cursor()
    # FULL: what was acknowledged survives a loss of power, and grouped commits pay for it once.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    # Only now: to make a new file a WAL takes the lock.
    cursor.execute(f"PRAGMA busy_timeout={int(busy_seconds * 1000)}")
    cursor.close()


def _begin_nothing(_: object) -> None:
    """SQLAlchemy's begin is a note to itself; BEGIN is sent by `writing`."""


def _unavailable() -> TryLater:
    return TryLater("the database cannot be reached or written at the moment; try again")
