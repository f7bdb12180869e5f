"""Processes by what they are, and ports that stay free while nobody listens on them."""

import os
import random
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Below what systems give to outgoing connections: while the service is down, no connection of its
# own dispatchers may take the port to which it has to come back.
_PORTS = range(12_000, 32_000)


class Process(NamedTuple):
    """A process by its id and its start, since ids are used again."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        state, started = _stat(self.pid)
        return started == self.started and state != "Z"

    def kill(self) -> bool:
        """Whether there was anything to kill."""
        with suppress(ProcessLookupError):
            if self.alive:
                os.kill(self.pid, signal.SIGKILL)
                return True
        return False


def children(pid: int) -> list[Process]:
    """Those that the first thread of a process has started and that are not gone."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    found = (Process(int(child), _stat(int(child))[1]) for child in listed.split())
    return [child for child in found if child.alive]


def lasting_port(chance: random.Random) -> int:
    """A port of 127.0.0.1 on which nobody listens, and that nothing takes by itself."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            port = chance.choice(_PORTS)
            probe.bind(("127.0.0.1", port))
            return port


def _stat(pid: int) -> tuple[str, str]:
    """State and start of a process; empty where there is none."""
    try:
        # The name before them is in parentheses and may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", ""
    return fields[0], fields[19]
