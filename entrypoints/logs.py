"""Structured logs: structlog's and the standard library's through one handler, without secrets."""

import logging
import re
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
ADDRESS = "[address]"

# Rather one name too many than a password in a log. `token` is in a callback URL, too.
_SECRET = re.compile(
    r"passw|secret|token|credential|authorization|cookie|api[-_]?key|private[-_]?key|master[-_]?key",
    re.IGNORECASE,
)

# An answer of an ESP, or the text of an error, may name the person that it is about.
_ADDRESS = re.compile(r"""[^\s@"'<>()\[\]{},;:=]{1,64}(?:@|%40)[^\s@"'<>()\[\]{},;:&]{1,255}""")

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
    depth; the text of a message is not searched, so a secret never belongs there. Addresses of
    people are redacted wherever they stand. An error that ends the process, or a thread, is logged.
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
    sys.excepthook, threading.excepthook = _end_of_process, _end_of_thread


def _end_of_process(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    logging.getLogger(__name__).critical(
        "an error that nobody expected ends the process", exc_info=(kind, error, trace)
    )


def _end_of_thread(ended: threading.ExceptHookArgs) -> None:
    error = ended.exc_value
    # A thread may end itself so.
    if error is not None and not isinstance(error, SystemExit):
        logging.getLogger(__name__).critical(
            "an error that nobody expected ends a thread",
            exc_info=(type(error), error, ended.exc_traceback),
            extra={"of": ended.thread.name if ended.thread else ""},
        )


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor that puts placeholders for secrets, by their keys, and addresses."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: object, value: Any) -> Any:
    if isinstance(key, str) and _SECRET.search(key):
        return REDACTED
    if isinstance(value, str):
        return _ADDRESS.sub(ADDRESS, value)
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
            # It gives the plain traceback. structlog's richer ones show local variables, and those
            # may hold a password.
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer() if form == "json" else _console(colors=colors),
        ],
    )


def _console(*, colors: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=colors, exception_formatter=structlog.dev.plain_traceback
    )
