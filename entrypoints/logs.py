"""Structured logs: structlog's and the standard library's through one handler, without secrets."""

import logging
import re
from collections.abc import Mapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"

# Rather one name too many than a password in a log. `token` is in a callback URL, too.
_SECRET = re.compile(
    r"passw|secret|token|credential|authorization|cookie|api[-_]?key|private[-_]?key|master[-_]?key",
    re.IGNORECASE,
)

# Libraries that tell of every request at `info`, with its URL.
_TALKATIVE = ("aiohttp.access", "alembic", "asyncio", "aiosqlite", "sqlalchemy.engine.Engine")


def set_up_logs(
    *,
    form: Literal["json", "console"],
    level: Literal["debug", "info", "warning", "error"],
    stream: TextIO,
) -> None:
    """Sends every log of this process to `stream`, one line each (a traceback in its line as JSON).

    Call it once, first of all. Values under keys that look like a secret's are redacted at any
    depth; the text of a message is not searched, so a secret never belongs there.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(form, colors=stream.isatty()))
    logging.basicConfig(handlers=[handler], level=number, force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor that puts a placeholder for what is under a secret-looking key."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: object, value: Any) -> Any:
    if isinstance(key, str) and _SECRET.search(key):
        return REDACTED
    if isinstance(value, Mapping):
        return {inner: _redacted(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(None, item) for item in value]
    return value


def _shared() -> list[Processor]:
    """What a log from either side goes through."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(
    form: Literal["json", "console"], *, colors: bool
) -> structlog.stdlib.ProcessorFormatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redact,
            *(_json() if form == "json" else _console(colors=colors)),
        ],
    )


def _json() -> list[Processor]:
    # format_exc_info gives the plain traceback. structlog's richer ones show local variables, and
    # those may hold a password.
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _console(*, colors: bool) -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors, exception_formatter=structlog.dev.plain_traceback
    )
    return [renderer]
