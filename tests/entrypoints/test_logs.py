"""What is written when something is logged, by structlog's loggers and by the standard ones."""

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from entrypoints.logs import ADDRESS, REDACTED, set_up_logs


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Logging belongs to the whole process: each test puts it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook
    root.handlers.clear()
    yield
    sys.excepthook, threading.excepthook = hooks
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_log_is_one_json_object_with_time_level_and_logger(written: io.StringIO) -> None:
    set_up_logs(form="json", level="info", stream=written)
    structlog.get_logger("espalier.dispatch").info("chunk_sent", campaign=7, messages=1000)
    (line,) = lines(written)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "chunk_sent",
        "level": "info",
        "logger": "espalier.dispatch",
        "campaign": 7,
        "messages": 1000,
    }


def test_a_log_of_the_standard_library_looks_the_same(written: io.StringIO) -> None:
    set_up_logs(form="json", level="info", stream=written)
    logging.getLogger("some.library").warning("lost %s of %d", "one", 3, extra={"host": "esp"})
    (line,) = lines(written)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "lost one of 3",
        "level": "warning",
        "logger": "some.library",
        "host": "esp",
    }


@pytest.mark.parametrize(
    "key",
    ["password", "smtp_passwd", "secret_key", "Authorization", "page_token", "api_key", "X-Api-Key",
     "set-cookie", "credentials", "private_key"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_value_under_a_secret_looking_key_is_redacted(
    written: io.StringIO, key: str, form: Any
) -> None:
    set_up_logs(form=form, level="info", stream=written)
    structlog.get_logger("espalier").info("configured", **{key: "hunter2"}, name="mailer")
    assert "hunter2" not in written.getvalue()
    assert REDACTED in written.getvalue()
    assert "mailer" in written.getvalue()


def test_secrets_are_found_inside_of_lists_and_objects(written: io.StringIO) -> None:
    set_up_logs(form="json", level="info", stream=written)
    request = {"headers": [{"Authorization": "hunter2", "Accept": "*/*"}]}
    structlog.get_logger("espalier").info("request", request=request)
    (line,) = lines(written)
    assert line["request"] == {"headers": [{"Authorization": REDACTED, "Accept": "*/*"}]}
    assert request["headers"][0]["Authorization"] == "hunter2"


def test_a_secret_in_the_extra_of_a_standard_log_is_redacted(written: io.StringIO) -> None:
    set_up_logs(form="json", level="info", stream=written)
    logging.getLogger("some.library").warning("login", extra={"password": "hunter2"})
    (line,) = lines(written)
    assert line["password"] == REDACTED


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    "text",
    [
        "401 {'error': 'sara.o@example.com may not'}",
        "to=sara.o@example.com&x=1",
        "to=sara.o%40example.com&x=1",
        "<sara.o@example.com>",
        'sara.o@exämple.com,"sara.o@localhost"',
    ],
)
def test_an_address_in_a_value_is_redacted(written: io.StringIO, form: Any, text: str) -> None:
    set_up_logs(form=form, level="info", stream=written)
    structlog.get_logger("espalier").info("paused", reason=text, more=[{"said": text}])
    assert "sara" not in written.getvalue()
    assert ADDRESS in written.getvalue()


@pytest.mark.parametrize("text", ["@dataclass", "a @ b", "5 @ 7", "HTTP 401", "100%", "@"])
def test_what_is_no_address_is_told_as_it_is(written: io.StringIO, text: str) -> None:
    set_up_logs(form="json", level="info", stream=written)
    structlog.get_logger("espalier").info("paused", reason=text)
    (line,) = lines(written)
    assert line["reason"] == text


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_address_in_the_text_of_an_error_is_redacted(written: io.StringIO, form: Any) -> None:
    set_up_logs(form=form, level="info", stream=written)
    try:
        raise KeyError("sara" + "@example.com")
    except KeyError:
        structlog.get_logger("espalier").exception("failed")
    assert "KeyError" in written.getvalue()
    assert "sara@" not in written.getvalue()


CRASH = """
import asyncio, sys, threading, typer
from entrypoints.logs import set_up_logs
app = typer.Typer(pretty_exceptions_show_locals=False)
async def fail():
    raise ValueError("broken")
@app.command()
def run(where: str):
    set_up_logs(form="json", level="info", stream=sys.stderr)
    if where == "thread":
        thread = threading.Thread(target=lambda: asyncio.run(fail()), name="curl")
        thread.start()
        thread.join()
    elif where == "exit":
        raise SystemExit(3)
    elif where == "ended thread":
        thread = threading.Thread(target=sys.exit)
        thread.start()
        thread.join()
    else:
        asyncio.run(fail())
app()
"""


def crash(where: str) -> tuple[int, list[str]]:
    """The exit code and the lines of a process that a command of its own ends so."""
    ended = subprocess.run(
        [sys.executable, "-c", CRASH, where], capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stderr.splitlines()


@pytest.mark.parametrize(
    ("where", "code", "text"), [("process", 1, "the process"), ("thread", 0, "a thread")]
)
def test_what_ends_by_an_error_says_so_in_one_line_of_json(
    where: str, code: int, text: str
) -> None:
    exit_code, (line,) = crash(where)
    told = json.loads(line)
    assert exit_code == code
    assert (told["level"], told["event"]) == (
        "critical",
        f"an error that nobody expected ends {text}",
    )
    assert "ValueError: broken" in told["exception"]
    assert "in fail" in told["exception"]


def test_an_exit_that_was_asked_for_is_not_logged() -> None:
    assert crash("exit") == (3, [])
    assert crash("ended thread") == (0, [])


def failing() -> None:
    hidden = "hunter" + str(2)
    raise ValueError(f"broken after {len(hidden)} characters")


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("get_logger", [structlog.get_logger, logging.getLogger])
def test_a_traceback_is_shown_without_local_variables(
    written: io.StringIO, form: Any, get_logger: Callable[[str], Any]
) -> None:
    set_up_logs(form=form, level="info", stream=written)
    logger = get_logger("espalier")
    try:
        failing()
    except ValueError:
        logger.exception("failed")
    assert "broken after 7 characters" in written.getvalue()
    assert "in failing" in written.getvalue()
    assert "hunter2" not in written.getvalue()


def test_a_line_break_in_a_value_does_not_make_a_second_line(written: io.StringIO) -> None:
    set_up_logs(form="json", level="info", stream=written)
    structlog.get_logger("espalier").info("callback", email='a@b.c\n{"event": "forged"}')
    (line,) = lines(written)
    assert line["event"] == "callback"


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_what_is_below_the_level_is_not_written(
    written: io.StringIO, level: Any, expected: list[str]
) -> None:
    set_up_logs(form="json", level=level, stream=written)
    for logger in (structlog.get_logger("ours"), logging.getLogger("theirs")):
        for name in ("debug", "info", "warning", "error"):
            getattr(logger, name)(name)
    assert [line["event"] for line in lines(written)] == expected * 2


def test_requests_in_the_access_log_are_not_told_with_their_urls(written: io.StringIO) -> None:
    """The URL of a callback holds the provider's token."""
    set_up_logs(form="json", level="debug", stream=written)
    logging.getLogger("aiohttp.access").info("POST /callbacks/hunter2")
    assert written.getvalue() == ""


def test_what_is_bound_to_the_context_is_in_each_log(written: io.StringIO) -> None:
    set_up_logs(form="json", level="info", stream=written)
    structlog.contextvars.bind_contextvars(campaign=7)
    structlog.get_logger("ours").info("one")
    logging.getLogger("theirs").info("two")
    assert [line["campaign"] for line in lines(written)] == [7, 7]


def test_console_logs_to_a_file_have_no_colours(written: io.StringIO) -> None:
    set_up_logs(form="console", level="info", stream=written)
    structlog.get_logger("espalier").info("started", port=50051)
    assert "started" in written.getvalue()
    assert "port=50051" in written.getvalue()
    assert "\x1b" not in written.getvalue()


def test_setting_up_twice_writes_each_log_once(written: io.StringIO) -> None:
    set_up_logs(form="json", level="info", stream=io.StringIO())
    set_up_logs(form="json", level="info", stream=written)
    structlog.get_logger("espalier").info("once")
    assert len(lines(written)) == 1
