"""Opening the database that the settings name, and why it cannot be opened."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from alembic.util.exc import CommandError
from sqlalchemy import URL, make_url, text, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from adapters.sql.database import Database
from adapters.sql.migrate import upgrade
from adapters.sql.schema import installation
from domain.errors import TryLater
from services.ports import Clock

# How drivers call a password that stands in the query of a URL.
_PASSWORDS = ("password", "passwd", "pwd", "passphrase")


class DatabaseRefused(Exception):
    """The service cannot work with this database; the text says why, without any password."""


async def open_database(url: str, *, clock: Clock) -> Database:
    """The database, brought to the present schema.

    A SQLite file that is not there yet is made, for its owner alone; its folder is not. Raises
    DatabaseRefused.
    """
    database = _database(url, clock)
    try:
        await _reach(database, url)
        await _upgrade(database, url)
        await _write(database, url)
    except BaseException:
        await database.close()
        raise
    return database


def file_of(url: str) -> Path | None:
    """The file of a SQLite database; None for every other database, and for what is no URL."""
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        return None
    if parsed.get_backend_name() != "sqlite" or _is_in_memory(parsed):
        return None
    # Under `uri=true` it is a URI of SQLite's own, with a file system of SQLite's choice.
    return None if "uri" in parsed.query else Path(str(parsed.database))


def _database(url: str, clock: Clock) -> Database:
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        # Its words may be a part of the password.
        raise DatabaseRefused("it is no SQLAlchemy URL") from None
    if parsed.get_backend_name() == "sqlite":
        _check_sqlite(parsed)
    try:
        return Database(url, clock=clock)
    except ImportError as error:
        raise DatabaseRefused(
            f"its driver is not installed ({error}); install it where espalier is installed"
        ) from error
    except SQLAlchemyError as error:
        raise DatabaseRefused(f"it cannot be used ({_words(error, url)})") from error
    except (ValueError, TypeError):
        # These repeat a value, which may be a password.
        raise DatabaseRefused("its driver does not take what stands behind the ? of it") from None


def _check_sqlite(parsed: URL) -> None:
    if parsed.host or parsed.username:
        raise DatabaseRefused(
            "a SQLite URL has no host; write three slashes and then the path of the file, as in "
            "sqlite+aiosqlite:////data/mail.db"
        )
    if _is_in_memory(parsed):
        raise DatabaseRefused(
            "a database in memory ends with its process, and no other can see it; name a file"
        )


def _is_in_memory(parsed: URL) -> bool:
    name = parsed.database or ":memory:"
    return ":memory:" in name or parsed.query.get("mode") == "memory"


async def _reach(database: Database, url: str) -> None:
    try:
        _make_file(url)
        # Not by a connection of aiosqlite's: one that fails leaves a thread, which speaks to the
        # event loop when that may be gone.
        await database.read(lambda connection: connection.execute(text("SELECT 1")).scalar_one())
    except Exception as error:
        # Drivers have errors of their own for this, of any class.
        raise DatabaseRefused(f"{_shown(url)} cannot be opened ({_words(error, url)})") from error


def _make_file(url: str) -> None:
    """SQLite would make one that others can read; its journals get the permissions of the file."""
    file = file_of(url)
    if file is None:
        return
    # SQLite says of both that it is "unable to open database file".
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder; name a file in it")
    if not file.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {file.parent}; make it")
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


async def _upgrade(database: Database, url: str) -> None:
    try:
        await upgrade(database)
    except CommandError as error:
        raise DatabaseRefused(
            f"{_shown(url)} has a schema that this version does not know ({error}); start the "
            "version that it was last used with, or a later one"
        ) from error
    except (TryLater, SQLAlchemyError) as error:
        raise DatabaseRefused(
            f"{_shown(url)} cannot be brought to the schema of this version ({_words(error, url)})"
        ) from error


async def _write(database: Database, url: str) -> None:
    """Where no migration is missing nothing was written yet, and all the service does is to write.

    SQLite lets a transaction begin on a file that may only be read, and refuses the first change.
    """
    try:
        async with database.writing() as connection:
            await connection.execute(update(installation).values(id=installation.c.id))
    except (TryLater, SQLAlchemyError) as error:
        raise DatabaseRefused(f"{_shown(url)} cannot be written ({_words(error, url)})") from error


def _shown(url: str) -> str:
    """Which database it is, less what admits to it: the query of a URL may hold a password too."""
    parsed = make_url(url)
    return str(
        URL.create(parsed.drivername, host=parsed.host, port=parsed.port, database=parsed.database)
    )


def _words(error: BaseException, url: str) -> str:
    """What the driver said, in one line and without a password."""
    if isinstance(error, TryLater) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = (said.strip() or type(error).__name__).splitlines()[0]
    for password in _passwords(make_url(url)):
        line = line.replace(password, "***")
    return line


def _passwords(parsed: URL) -> list[str]:
    in_query = (
        value
        for name, values in parsed.normalized_query.items()
        if any(word in name.lower() for word in _PASSWORDS)
        for value in values
    )
    return [password for password in (str(parsed.password or ""), *in_query) if password]
