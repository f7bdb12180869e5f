"""`espalier demo` as a process, with the service and the simulated ESP as its children."""

import asyncio
import re
import signal
import socket
import sys
from pathlib import Path

import pytest


async def start(folder: Path, recipients: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "entrypoints.main", "demo"),
        *("--recipients", str(recipients), "--folder", str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def ports(folder: Path) -> list[int]:
    """Those on which the children said that they listen: API, callbacks, ESP."""
    said = (folder / "serve.log").read_text() + (folder / "simulate-esp.log").read_text()
    return [int(port) for port in re.findall(r"(?:on port |http://127\.0\.0\.1:)(\d+)", said)]


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except ConnectionRefusedError:
        return False


async def test_it_sends_a_campaign_takes_the_callbacks_sums_up_and_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    process = await start(tmp_path / "demo", 1_200)
    said, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    facts = dict(re.findall(r"^(\S+)\s{2,}([\d,]+)", said.decode(), flags=re.MULTILINE))
    assert (facts["Recipients"], facts["Suppressed"], facts["Accepted"]) == ("1,200", "12", "1,188")
    heard_of = [int(facts[name].replace(",", "")) for name in ("Delivered", "Bounced")]
    # The simulated ESP stays silent about one message in a hundred.
    assert 1_150 < sum(heard_of) < 1_188
    assert min(heard_of) > 0
    assert "the ESP counts the same: 1,188 messages, none twice" in said.decode()
    assert len(ports(tmp_path / "demo")) == 3
    assert [port for port in ports(tmp_path / "demo") if listens(port)] == []


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_in_the_middle_ends_its_children_too(
    tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    process = await start(tmp_path, 50_000)
    assert process.stdout is not None
    while b"Sending a campaign" not in await process.stdout.readline():
        assert not process.stdout.at_eof()
    process.send_signal(number)
    _, complaints = await process.communicate()
    assert process.returncode == exit_code, complaints.decode()
    assert "Nothing that the demo started runs any more." in complaints.decode()
    assert len(ports(tmp_path)) == 3
    assert [port for port in ports(tmp_path) if listens(port)] == []


async def test_a_child_that_cannot_start_is_told_with_its_last_lines(tmp_path: Path) -> None:
    # The service refuses a data folder with a question mark in its path.
    process = await start(tmp_path / "what?", 1)
    _, complaints = await process.communicate()
    assert process.returncode == 1
    told = complaints.decode()
    assert "The demo failed at this step: Starting `espalier serve`" in told
    assert "espalier serve ended with exit code 2" in told
    assert "ESPALIER_DATA_DIR" in told


async def test_a_folder_with_files_in_it_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    process = await start(tmp_path, 1)
    _, complaints = await process.communicate()
    assert process.returncode == 2
    assert "is not empty: name a new folder" in complaints.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
