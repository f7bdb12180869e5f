"""What `espalier serve`, and gRPC below it, say on a terminal and in the logs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.serving import Served, environment, serving
from tests.entrypoints.screen import screen
from tests.support import eventually

# The core tells of a port that is taken in a line of its own.
_TWICE_ONE_PORT = """
import entrypoints.main, grpc, socket
with socket.socket() as taken:
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    try:
        grpc.server(None).add_insecure_port(f"127.0.0.1:{taken.getsockname()[1]}")
    except RuntimeError:
        print("refused")
"""


async def _said(code: str, **environ: str) -> tuple[str, str]:
    """Return what a new interpreter prints while it runs `code`: standard output, and error."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        env={**kept, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    return out.decode(), error.decode()


async def test_the_core_of_grpc_says_nothing_of_its_own() -> None:
    assert await _said(_TWICE_ONE_PORT) == ("refused\n", "")


async def test_the_core_of_grpc_speaks_to_whoever_asks_it_to() -> None:
    out, error = await _said(_TWICE_ONE_PORT, GRPC_VERBOSITY="error")
    assert out == "refused\n"
    assert "add_port.cc" in error


async def test_grpc_keeps_out_of_the_children_that_a_service_starts() -> None:
    """With its fork handlers about one in seventy crashed, while calls were under way."""
    code = "import entrypoints.main, os; print(os.environ['GRPC_ENABLE_FORK_SUPPORT'])"
    assert await _said(code) == ("0\n", "")


async def test_every_line_of_the_log_is_json_also_when_a_dispatcher_is_started_beside_calls(
    tmp_path: Path,
) -> None:
    async with serving(environment(tmp_path)) as served:
        (first,) = served.dispatchers()
        os.kill(first, signal.SIGKILL)

        def is_replaced() -> bool:
            return served.dispatchers() not in ([], [first])

        await eventually(is_replaced, 30)
        code, said = await served.stop()
    assert code == 0, said
    events = [json.loads(line)["event"] for line in said.splitlines()]
    assert "a dispatcher ended and is replaced" in events


@pytest.mark.parametrize(("form", "lines"), [("json", 2), ("console", 0)])
async def test_at_a_terminal_it_says_in_words_where_it_listens_unless_the_log_does(
    tmp_path: Path, form: str, lines: int
) -> None:
    environ = environment(tmp_path, ESPALIER_LOG_FORMAT=form)
    with screen() as terminal:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "entrypoints.main", "serve"),
            env=environ,
            stdout=terminal.fd,
            stderr=asyncio.subprocess.PIPE,
        )
        served = Served(process=process, environ=environ)
        try:
            await served.ready()
            code, said = await served.stop()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
        shown = terminal.lines()
    assert code == 0, said
    listens = f"API on port {served.grpc_address.rpartition(':')[2]}, callbacks on port"
    assert listens in said
    # That it serves, and that it stops.
    assert len(shown) == lines
    assert all(line.startswith("espalier: ") for line in shown)
    assert lines == 0 or listens in shown[0]
