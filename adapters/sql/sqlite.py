"""What is SQLite's alone: how its connections are set up, and how its one write lock is had."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError

from adapters.sql.troubles import is_locked
from services.waiting import wait_out

T = TypeVar("T")

# How long (seconds) until the write lock is asked for again.
_LOCK_SECONDS = 0.001
# The longest transactions of this service take some tenths of a second.
_LONG_WAIT_SECONDS = 2.0


async def lock(
    begin: Callable[[], Awaitable[None]], *, within: float, long_wait: Callable[[], None]
) -> None:
    """Begins a transaction that writes: asks for the write lock every millisecond.

    SQLite's own way to wait sleeps for up to a tenth of a second at a time: with two processes that
    write a thousand times a second, hardly anybody would ever write. `long_wait` is called as long
    as it takes longer than that ever should.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        try:
            await begin()
        except OperationalError as error:
            waited = loop.time() - began
            if waited >= within or not is_locked(error):
                raise
            if waited >= _LONG_WAIT_SECONDS:
                long_wait()
            await asyncio.sleep(_LOCK_SECONDS)
        else:
            return


class OwnSqlite:
    """Connections of its own, one to read and one to write, in the caller's thread.

    To hand a statement to another thread, and to have the interpreter back afterwards, takes longer
    than the statement. Only the commit is handed over, because it waits for the disk.
    """

    def __init__(self, url: str, busy_seconds: float, long_wait: Callable[[], None]) -> None:
        self._busy_seconds = busy_seconds
        self._long_wait = long_wait
        self._engine: Engine = create_engine(
            make_url(url).set(drivername="sqlite+pysqlite"), hide_parameters=True
        )
        prepare(self._engine, 0.0)
        # To take one out of the pool each time costs as much as a statement.
        self._reader: Connection | None = None
        self._writer: Connection | None = None
        self._disk = ThreadPoolExecutor(1, "espalier-commit")

    def read(self, look: Callable[[Connection], T]) -> T:
        connection = self._reader = self._reader or self._engine.connect()
        connection.exec_driver_sql("BEGIN")
        try:
            return look(connection)
        finally:
            connection.rollback()

    async def write(self, transact: Callable[[Connection], T]) -> T:
        """One caller at a time."""
        connection = self._writer = self._writer or self._engine.connect()
        begin = partial(_begin, connection)
        await lock(begin, within=self._busy_seconds, long_wait=self._long_wait)
        try:
            result = transact(connection)
            loop = asyncio.get_running_loop()
            await wait_out(loop.run_in_executor(self._disk, connection.commit))
        except BaseException:
            # Nothing is left to roll back where it was only the caller who did not wait.
            connection.rollback()
            raise
        return result

    async def close(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._engine.dispose()
        self._disk.shutdown()


async def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def prepare(engine: Engine, busy_seconds: float) -> None:
    """Sets what SQLite forgets with every connection; it waits `busy_seconds` for a lock."""

    def set_up(connection: Any, _: object) -> None:
        _set_up(connection, busy_seconds)

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", _begin_nothing)


def _set_up(connection: Any, busy_seconds: float) -> None:
    # No transactions of the driver's own: writers begin them as they must be.
    connection.isolation_level = None
    cursor = connection.cursor()
    # FULL: what was acknowledged survives a loss of power, and grouped commits pay for it once.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    # Only now: to make a new file a WAL takes the lock.
    cursor.execute(f"PRAGMA busy_timeout={int(busy_seconds * 1000)}")
    cursor.close()


def _begin_nothing(_: object) -> None:
    """SQLAlchemy's begin is a note to itself; BEGIN is sent by the writers."""
