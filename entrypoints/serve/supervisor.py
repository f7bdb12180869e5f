"""Runs parts of the service as processes of their own, and replaces those that die."""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

# One that dies at once is not started again in a busy loop.
_RESTART_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A process: the arguments of `espalier`, and the file descriptors that it inherits."""

    arguments: tuple[str, ...]
    descriptors: tuple[int, ...] = ()


class Supervisor:
    """A process for each of `parts`, with `environ`, until `stop`; `name` is what a log calls it.

    Their standard input closes when this process ends, however it ends.
    """

    def __init__(
        self,
        name: str,
        parts: Sequence[Part],
        *,
        environ: Mapping[str, str],
        log: FilteringBoundLogger,
    ) -> None:
        self._name = name
        self._parts = parts
        self._environ = dict(environ)
        self._log = log
        self._stopping = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._told = b""

    async def start(self) -> None:
        for place in range(len(self._parts)):
            await self._spawn(place)
            self._keepers.append(asyncio.create_task(self._keep(place)))

    def tell(self, line: str) -> None:
        """Writes a line to the standard input of each, also of those that come later."""
        self._told += f"{line}\n".encode()
        for process in self._processes.values():
            _write(process, f"{line}\n".encode())

    async def stop(self, *, drain_seconds: float) -> None:
        """Lets each of them end what it has in flight; kills one that takes too long."""
        self._stopping.set()
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        ends = [process.wait() for process in self._processes.values()]
        try:
            async with asyncio.timeout(drain_seconds):
                await asyncio.gather(*ends)
        except TimeoutError:
            for process in self._processes.values():
                with suppress(ProcessLookupError):
                    process.kill()
        await asyncio.gather(*self._keepers)

    async def _keep(self, place: int) -> None:
        while True:
            code = await self._processes[place].wait()
            if self._stopping.is_set():
                return
            text = f"a {self._name} ended and is replaced"
            self._log.warning(text, place=place, exit_code=code)
            with suppress(TimeoutError):
                async with asyncio.timeout(_RESTART_SECONDS):
                    await self._stopping.wait()
                    return
            await self._spawn(place)

    async def _spawn(self, place: int) -> None:
        part = self._parts[place]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "entrypoints.main", *part.arguments),
            env=self._environ,
            stdin=asyncio.subprocess.PIPE,
            pass_fds=part.descriptors,
        )
        _write(process, self._told)
        self._processes[place] = process


def _write(process: asyncio.subprocess.Process, line: bytes) -> None:
    """To one that has ended nothing can be said any more."""
    if line and process.stdin is not None and not process.stdin.is_closing():
        process.stdin.write(line)
