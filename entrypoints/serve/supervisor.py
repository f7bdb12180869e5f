"""Runs the dispatchers as processes of their own, and replaces those that die."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress

from structlog.typing import FilteringBoundLogger

# A dispatcher that dies at once is not started again in a busy loop.
_RESTART_SECONDS = 1.0


class Supervisor:
    """`count` processes of `espalier dispatch`, each with `environ`, until `stop`."""

    def __init__(
        self, *, count: int, environ: Mapping[str, str], log: FilteringBoundLogger
    ) -> None:
        self._count = count
        self._environ = dict(environ)
        self._log = log
        self._stopping = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    async def start(self) -> None:
        for place in range(self._count):
            await self._spawn(place)
            self._keepers.append(asyncio.create_task(self._keep(place)))

    async def stop(self, *, drain_seconds: float) -> None:
        """Lets every dispatcher end what it has in flight; kills one that takes too long."""
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
            self._log.warning("a dispatcher ended and is replaced", place=place, exit_code=code)
            with suppress(TimeoutError):
                async with asyncio.timeout(_RESTART_SECONDS):
                    await self._stopping.wait()
                    return
            await self._spawn(place)

    async def _spawn(self, place: int) -> None:
        self._processes[place] = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "entrypoints.main", "dispatch", "--supervised"),
            env=self._environ,
            # Never written to: it closes when this process ends, however it ends.
            stdin=asyncio.subprocess.PIPE,
        )
