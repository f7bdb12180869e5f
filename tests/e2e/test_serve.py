"""`espalier serve` as a process."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support import eventually, free_port


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "ESPALIER_DATA_DIR": str(tmp_path),
        "ESPALIER_GRPC_ADDRESS": f"127.0.0.1:{free_port()}",
        "ESPALIER_CALLBACK_ADDRESS": f"127.0.0.1:{free_port()}",
        "ESPALIER_DISPATCHERS": "1",
    }


async def start(environ: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "entrypoints.main", "serve", env=environ,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture
async def process(environ: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    made = await start(environ)
    yield made
    if made.returncode is None:
        made.kill()
    # The pipe closes once the dispatchers are gone too.
    await made.communicate()


async def status(environ: dict[str, str], path: str) -> int:
    url = f"http://{environ['ESPALIER_CALLBACK_ADDRESS']}{path}"
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status
    except aiohttp.ClientConnectionError:
        return 0


async def test_it_becomes_ready_says_that_it_serves_and_ends_in_order(
    environ: dict[str, str], process: asyncio.subprocess.Process
) -> None:
    async def ready() -> bool:
        return await status(environ, "/readyz") == 200

    await eventually(ready, 30)
    async with grpc.aio.insecure_channel(environ["ESPALIER_GRPC_ADDRESS"]) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert await status(environ, "/healthz") == 200
    process.send_signal(signal.SIGTERM)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


def children(process: asyncio.subprocess.Process) -> list[int]:
    """The dispatchers of a service."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in listed.split()]


async def test_a_dispatcher_that_is_killed_is_replaced(
    environ: dict[str, str], process: asyncio.subprocess.Process
) -> None:
    (first,) = await eventually(lambda: children(process), 30)
    os.kill(first, signal.SIGKILL)

    def replaced() -> bool:
        return bool(children(process)) and first not in children(process)

    await eventually(replaced, 30)


async def test_no_dispatcher_outlives_its_service(
    environ: dict[str, str], process: asyncio.subprocess.Process
) -> None:
    (dispatcher,) = await eventually(lambda: children(process), 30)
    process.kill()
    await eventually(lambda: not Path(f"/proc/{dispatcher}").exists(), 30)


async def test_a_second_service_on_the_same_database_starts_beside_the_first(
    environ: dict[str, str], process: asyncio.subprocess.Process
) -> None:
    other = {
        **environ,
        "ESPALIER_GRPC_ADDRESS": f"127.0.0.1:{free_port()}",
        "ESPALIER_CALLBACK_ADDRESS": f"127.0.0.1:{free_port()}",
    }
    second = await start(other)

    async def both_ready() -> bool:
        return {await status(environ, "/readyz"), await status(other, "/readyz")} == {200}

    await eventually(both_ready, 30)
    second.send_signal(signal.SIGTERM)
    _, said = await second.communicate()
    assert second.returncode == 0, said.decode()


async def test_another_master_key_stops_the_start_and_says_what_to_do(
    environ: dict[str, str], process: asyncio.subprocess.Process
) -> None:
    async def ready() -> bool:
        return await status(environ, "/readyz") == 200

    await eventually(ready, 30)
    second = await start({**environ, "ESPALIER_SECRET_KEY": "ab" * 32})
    _, said = await second.communicate()
    assert second.returncode == 1
    assert "secret.key" in said.decode()


async def test_an_address_that_is_taken_stops_the_start_and_is_named(
    environ: dict[str, str], process: asyncio.subprocess.Process
) -> None:
    async def ready() -> bool:
        return await status(environ, "/readyz") == 200

    await eventually(ready, 30)
    second = await start({**environ, "ESPALIER_GRPC_ADDRESS": f"127.0.0.1:{free_port()}"})
    _, said = await second.communicate()
    assert second.returncode == 1
    assert environ["ESPALIER_CALLBACK_ADDRESS"].rpartition(":")[2] in said.decode()


async def test_a_wrong_setting_stops_the_start_with_its_name(environ: dict[str, str]) -> None:
    process = await start({**environ, "ESPALIER_DISPATCHER": "2"})
    _, said = await process.communicate()
    assert process.returncode == 2
    assert "ESPALIER_DISPATCHER" in said.decode()
