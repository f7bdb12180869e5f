"""A terminal for what is run in a test."""

from __future__ import annotations

import os
import pty
import re
from collections.abc import Iterator
from contextlib import contextmanager

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Screen:
    """`fd` is the terminal, to be the standard output of a process of little output."""

    def __init__(self, fd: int, screen: int) -> None:
        self.fd = fd
        self._screen = screen

    def lines(self) -> list[str]:
        """Return what was written since the last time, without its colours."""
        # Reading waits for something to read: this ends it.
        os.write(self.fd, b"\0")
        written = b""
        while not written.endswith(b"\0"):
            written += os.read(self._screen, 65536)
        return _STYLE.sub("", written[:-1].decode()).splitlines()


@contextmanager
def screen() -> Iterator[Screen]:
    """Open a terminal."""
    ours, theirs = pty.openpty()
    try:
        yield Screen(theirs, ours)
    finally:
        os.close(theirs)
        os.close(ours)
