"""What a value of a setting may be; each function gives the value back or raises ValueError."""

import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

# Drivers that the service is known to work with, by the name that a URL begins with.
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite://",
    "postgresql": "postgresql+asyncpg://",
    "postgres": "postgresql+asyncpg://",
}
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")


class NotAllowed(ValueError):
    """A wrong value whose right form can be told; the text, which follows a semicolon, tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the table and the refusals say of a setting; a secret one's value is never repeated.

    `default` is given where the default is computed; else the table shows the default itself.
    """

    kind: str
    default: str | None = None
    secret: bool = False


def host_and_port(address: str) -> tuple[str, int]:
    """("::1", 8080) for "[::1]:8080". Raises ValueError where it is no address."""
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match[2]) > 65535:
        raise ValueError("no address")
    return match[1].strip("[]"), int(match[2])


def check_address(value: str) -> str:
    """HOST:PORT."""
    host_and_port(value)
    return value


def check_base_url(value: str) -> str:
    """A URL that paths can be added to, without the slash at its end."""
    parts = urlsplit(value)
    _ = parts.port  # Raises where it is no port.
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("no base URL")
    if parts.query or parts.fragment or re.search(r"\s", value):
        raise ValueError("no base URL")
    return value.rstrip("/")


def check_database_url(value: str) -> str:
    """A URL of a kind of database that SQLAlchemy has an async driver for.

    Whether the driver is installed and the database there shows when it is opened.
    """
    try:
        url = make_url(value)
        # One name may stand for two drivers, as psycopg does.
        is_async = url.get_dialect().get_async_dialect_cls(url).is_async
    except (SQLAlchemyError, ImportError) as error:
        raise _no_database_url(value) from error
    if not is_async:
        raise _no_database_url(value)
    return value


def _no_database_url(value: str) -> ValueError:
    """Says how a URL of a kind that is known should begin, and repeats nothing of it."""
    begin = re.match("[a-z]*", value)
    driver = _DRIVERS.get(begin[0]) if begin else None
    if driver is None or value.startswith(driver):
        return ValueError("no database URL")
    return NotAllowed(f"begin this one with {driver}")


def check_key_digits(value: SecretStr) -> SecretStr:
    """A key of 32 bytes in hexadecimal digits."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", value.get_secret_value()):
        raise ValueError("no key")
    return value


def check_certificates(value: Path) -> Path:
    """A file that TLS can be checked with, by its absolute path."""
    try:
        ssl.create_default_context(cafile=value)
    except OSError as error:
        raise ValueError("no certificates") from error
    return value.absolute()


def check_folder(value: Path) -> Path:
    """Absolute, so that a process of ours that runs elsewhere finds the same one."""
    try:
        absolute = os.path.abspath(value.expanduser())
    except RuntimeError as error:
        raise ValueError("no such user") from error
    if "?" in absolute:
        raise ValueError("a database URL ends there")
    return Path(absolute)


def as_text(value: object) -> object:
    """A file's value as the environment would hold it, so that both obey the same rules."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value
