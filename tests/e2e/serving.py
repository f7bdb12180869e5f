"""`espalier serve` as a process of its own, for tests that look at it from outside."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.support import eventually, free_port


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running service and where it listens."""

    process: asyncio.subprocess.Process
    environ: dict[str, str]

    @property
    def grpc_address(self) -> str:
        return self.environ["ESPALIER_GRPC_ADDRESS"]

    @property
    def url(self) -> str:
        return f"http://{self.environ['ESPALIER_CALLBACK_ADDRESS']}"

    async def status(self, path: str) -> int:
        """0 where nobody answers."""
        try:
            async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
                return answer.status
        except aiohttp.ClientConnectionError:
            return 0

    async def ready(self) -> None:
        async def is_ready() -> bool:
            return await self.status("/readyz") == 200

        await eventually(is_ready, 30)

    def dispatchers(self) -> list[int]:
        """Those that run; one that was only just started may not show yet."""
        return self._children("dispatch")

    def receivers(self) -> list[int]:
        """The processes that take callbacks in, as `dispatchers`."""
        return self._children("receive")

    def _children(self, command: str) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [pid for pid in map(int, listed.split()) if command in _arguments(pid)]

    async def stop(self) -> tuple[int | None, str]:
        """Ends it in order; its exit code and what it said."""
        self.process.send_signal(signal.SIGTERM)
        _, said = await self.process.communicate()
        return self.process.returncode, said.decode()


def _arguments(pid: int) -> list[str]:
    """None of a process that has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return []


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Settings on free ports, with the data in `folder`."""
    return {
        **os.environ,
        "ESPALIER_DATA_DIR": str(folder),
        "ESPALIER_GRPC_ADDRESS": f"127.0.0.1:{free_port()}",
        "ESPALIER_CALLBACK_ADDRESS": f"127.0.0.1:{free_port()}",
        "ESPALIER_DISPATCHERS": "1",
        **settings,
    }


async def start(environ: dict[str, str]) -> Served:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "entrypoints.main", "serve"),
        env=environ,
        stderr=asyncio.subprocess.PIPE,
    )
    return Served(process=process, environ=environ)


async def refused(environ: dict[str, str]) -> tuple[int | None, str]:
    """The exit code and the words of a start that does not succeed."""
    process = (await start(environ)).process
    _, said = await process.communicate()
    return process.returncode, said.decode()


@asynccontextmanager
async def serving(environ: dict[str, str]) -> AsyncIterator[Served]:
    """A service that is ready, and is gone afterwards, its dispatchers included."""
    served = await start(environ)
    try:
        await served.ready()
        yield served
    finally:
        if served.process.returncode is None:
            served.process.kill()
        # The pipe closes once the dispatchers are gone too.
        await served.process.communicate()
