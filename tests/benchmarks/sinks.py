"""The sink that is posted to, as a process of its own, and what it costs."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.adapters.transport_tls import new_authority
from tests.support import free_port

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sink:
    """`ca_file` is what a client has to trust; None without TLS."""

    url: str
    pid: int
    ca_file: Path | None


@contextmanager
def sink(folder: Path, *, tls: bool) -> Iterator[Sink]:
    """`espalier simulate-esp --sink`: answers 200, keeps nothing."""
    flags: list[str] = []
    ca_file = None
    if tls:
        authority = new_authority(folder)
        # Writes the chain and its key into one file, which serves for both flags.
        authority.server_context(folder)
        chain = str(folder / "127.0.0.1.pem")
        flags, ca_file = ["--tls-cert", chain, "--tls-key", chain], authority.ca_file
    port = free_port()
    command = (sys.executable, "-m", "entrypoints.main", "simulate-esp", "--sink")
    process = subprocess.Popen(
        (*command, "--port", str(port), *flags), stdout=subprocess.DEVNULL, text=True
    )
    try:
        _wait_for(port)
        scheme = "https" if tls else "http"
        yield Sink(f"{scheme}://127.0.0.1:{port}/send", process.pid, ca_file)
    finally:
        process.terminate()
        process.wait()


def cpu_seconds(pids: Sequence[int]) -> float:
    """What these processes have used of the processor so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _wait_for(port: int) -> None:
    import socket

    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
