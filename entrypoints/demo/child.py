"""The demo's child processes: this very command, with what they say in a file."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from entrypoints.demo.failure import DemoFailed

# Seconds between two looks into a log file.
_POLL: Final = 0.05
# Seconds that a child may take to end what is in flight; then it is killed.
_ENDS_WITHIN: Final = 15.0
_SHOWN_LINES: Final = 15
_SHOWN_WIDTH: Final = 300


class Child:
    """A running process; `running` starts and ends it."""

    def __init__(self, name: str, log: Path, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.log = log
        self._process = process

    async def said(self, pattern: str) -> re.Match[str]:
        """Wait until the log matches `pattern`."""
        while True:
            if match := re.search(pattern, self._text()):
                return match
            await asyncio.sleep(_POLL)

    async def ended(self) -> int:
        """Wait for its end and return the exit code, below zero for a signal."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Let it end in order; kill it if it does not. DemoFailed: it ended badly."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(_ENDS_WITHIN):
                code = await self._process.wait()
        except TimeoutError:
            raise DemoFailed(f"{self.name} did not stop within {_ENDS_WITHIN:g} s") from None
        finally:
            self.kill()
        if code:
            raise DemoFailed(f"{self.name} ended with exit code {code}")

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()

    def last_lines(self) -> list[str]:
        return [line[:_SHOWN_WIDTH] for line in self._text().splitlines()[-_SHOWN_LINES:]]

    def _text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


@asynccontextmanager
async def running(
    name: str, *arguments: str, log: Path, environ: Mapping[str, str]
) -> AsyncIterator[Child]:
    """Run `espalier` with these arguments; what it says goes to the file `log`.

    It has ended, one way or another, once this is left. DemoFailed: it did not end in order, where
    nothing worse had happened before.
    """
    child = Child(name, log, await _start(arguments, log, environ))
    try:
        yield child
    except BaseException:
        with suppress(DemoFailed):
            await child.stop()
        raise
    await child.stop()


async def _start(
    arguments: Sequence[str], log: Path, environ: Mapping[str, str]
) -> asyncio.subprocess.Process:
    with log.open("wb") as file:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "entrypoints.main", *arguments),
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=asyncio.subprocess.STDOUT,
            # Ctrl-C goes to the demo alone, which ends its children in order.
            start_new_session=True,
        )
