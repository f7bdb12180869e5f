"""The emulators as processes of their own, on free ports of 127.0.0.1."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.support import eventually, free_port

_HOST = "127.0.0.1"
_SECONDS = 30


@asynccontextmanager
async def aws_ses(packages: Path) -> AsyncIterator[str]:
    """aws-ses-v2-local; its URL. `GET /store` reads what it was sent."""
    port = free_port()
    script = packages / "aws-ses-v2-local/dist/cli.js"
    async with _running((str(script), "--host", _HOST, "--port", str(port)), {}, script.parent):
        await _answers(f"http://{_HOST}:{port}/health-check")
        yield f"http://{_HOST}:{port}"


@asynccontextmanager
async def resend(packages: Path, database: Path) -> AsyncIterator[str]:
    """resend-local; its URL. What it was sent is in `database`, a file of SQLite that it makes.

    Its own starter keeps the database among the packages, and leaves the server running when it is
    ended, so the server is started as the starter would.
    """
    folder = packages / "resend-local/dist/app"
    shutil.copy(folder / "resend-local.sqlite", database)
    port = free_port()
    environ = {
        "HOSTNAME": _HOST,
        "PORT": str(port),
        "DATABASE_URL": f"file:{database}",
        "NEXT_TELEMETRY_DISABLED": "1",
    }
    async with _running(("server.js",), environ, folder):
        await _answers(f"http://{_HOST}:{port}/dashboard-api/emails")
        yield f"http://{_HOST}:{port}"


@asynccontextmanager
async def _running(
    command: tuple[str, ...], environ: Mapping[str, str], folder: Path
) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *("node", *command),
        env={**os.environ, **environ},
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _answers(url: str) -> None:
    async with aiohttp.ClientSession() as session:

        async def is_up() -> bool:
            try:
                async with session.get(url) as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await eventually(is_up, _SECONDS)
