"""`espalier serve` with two dispatchers, as real processes that can be killed."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from pathlib import Path

from tests.chaos.processes import Process, children, lasting_port
from tests.e2e.serving import Served, environment
from tests.support import eventually

_READY_SECONDS = 60.0
# Far more than the longest answer of the ESP, for which they wait.
_ORPHAN_SECONDS = 30.0


class Victim(StrEnum):
    """What a kill hits."""

    DISPATCHER = "dispatcher"
    API = "API"
    EVERYTHING = "everything"


class Service:
    """Runs until it is killed, and is started again on the same data and the same ports."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        chance = random.Random()
        self._log = folder / "serve.log"
        own = {
            "ESPALIER_GRPC_ADDRESS": f"127.0.0.1:{lasting_port(chance)}",
            "ESPALIER_CALLBACK_ADDRESS": f"127.0.0.1:{lasting_port(chance)}",
            "ESPALIER_DISPATCHERS": "2",
            "ESPALIER_LOG_FORMAT": "json",
            "ESPALIER_LOG_LEVEL": "warning",
        }
        self._environ = environment(folder, **{**own, **settings})
        self._served: Served | None = None
        # Processes whose API was killed: they are to end by themselves.
        self._orphans: list[Process] = []

    @property
    def grpc_address(self) -> str:
        return self._environ["ESPALIER_GRPC_ADDRESS"]

    async def start(self) -> None:
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "entrypoints.main", "serve"),
                env=self._environ,
                stderr=log,
                # A process group, so that everything can be killed at one stroke.
                start_new_session=True,
            )
        self._served = Served(process=process, environ=self._environ)

    async def ready(self) -> None:
        await eventually(self._is_ready, _READY_SECONDS)

    async def kill(self, victim: Victim, chance: random.Random) -> bool:
        """Whether there was anything to kill. What `serve` does not restart is started again."""
        self._check_that_it_runs()
        if victim is Victim.DISPATCHER:
            alive = self._dispatchers()
            return bool(alive) and chance.choice(alive).kill()
        if victim is Victim.API:
            self._orphans += children(self._running.process.pid)
            self._running.process.kill()
        else:
            self._kill_everything()
        await self._running.process.wait()
        await self.start()
        return True

    async def outlived(self) -> list[str]:
        """Waits for the dispatchers whose API was killed; says which of them have not ended."""

        def all_gone() -> bool:
            self._orphans = [orphan for orphan in self._orphans if orphan.alive]
            return not self._orphans

        with suppress(AssertionError):
            await eventually(all_gone, _ORPHAN_SECONDS)
        return [
            f"process {orphan.pid} still ran {_ORPHAN_SECONDS:g} s after its API was killed"
            for orphan in self._orphans
        ]

    async def end(self) -> None:
        if self._served is not None:
            self._kill_everything()
            await self._served.process.wait()

    def self_inflicted(self) -> list[str]:
        """What is in the log of dispatchers that ended though nobody had killed them."""
        said = [line for line in self._log.read_text().splitlines() if '"exit_code"' in line]
        entries = [json.loads(line) for line in said if line.startswith("{")]
        codes = [entry["exit_code"] for entry in entries if entry["exit_code"] != -signal.SIGKILL]
        return [f"a dispatcher ended by itself, with exit code {code}" for code in codes]

    @property
    def _running(self) -> Served:
        if self._served is None:
            raise RuntimeError("the service is not started: await start() first")
        return self._served

    def _dispatchers(self) -> list[Process]:
        pids = self._running.dispatchers()
        return [child for child in children(self._running.process.pid) if child.pid in pids]

    async def _is_ready(self) -> bool:
        self._check_that_it_runs()
        return await self._running.status("/readyz") == 200

    def _check_that_it_runs(self) -> None:
        code = self._running.process.returncode
        if code is not None:
            said = self._log.read_text()[-2000:]
            raise AssertionError(f"the service ended by itself (exit code {code}): {said}")

    def _kill_everything(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._running.process.pid, signal.SIGKILL)
        for orphan in self._orphans:
            orphan.kill()


@asynccontextmanager
async def running(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[Service]:
    """A service that is ready, and of which nothing is left afterwards."""
    service = Service(folder, settings)
    try:
        await service.start()
        await service.ready()
        yield service
    finally:
        await service.end()
