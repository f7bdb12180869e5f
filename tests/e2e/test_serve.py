"""`espalier serve` as a process: starts, stops, and what stops a start."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.e2e.serving import Served, environment, refused, serving
from tests.support import eventually


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(environment(tmp_path)) as made:
        yield made


async def test_it_says_that_it_serves_names_its_services_and_ends_in_order(served: Served) -> None:
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        stub: Any = reflection_pb2_grpc.ServerReflectionStub  # Typed for channels of its own kind.
        reflection = stub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        listed = [one async for one in reflection.ServerReflectionInfo(iter([asked]))]
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    names = {service.name for service in listed[0].list_services_response.service}
    assert {f"espalier.v1.{name}Service" for name in ("Provider", "Campaign", "Event")} <= names
    assert await served.status("/healthz") == 200
    code, said = await served.stop()
    assert code == 0, said


async def test_a_dispatcher_that_is_killed_is_replaced(served: Served) -> None:
    (first,) = served.dispatchers()
    os.kill(first, signal.SIGKILL)

    def replaced() -> bool:
        return served.dispatchers() not in ([], [first])

    await eventually(replaced, 30)


async def test_no_dispatcher_outlives_its_service(served: Served) -> None:
    (dispatcher,) = served.dispatchers()
    served.process.kill()
    await eventually(lambda: not Path(f"/proc/{dispatcher}").exists(), 30)


async def test_a_dispatcher_that_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    async with serving(environment(tmp_path, ESPALIER_DRAIN_SECONDS="0.1")) as served:
        (dispatcher,) = served.dispatchers()
        os.kill(dispatcher, signal.SIGSTOP)
        try:
            code, said = await served.stop()
        finally:
            with suppress(ProcessLookupError):
                os.kill(dispatcher, signal.SIGKILL)
    assert code == 0, said
    assert not Path(f"/proc/{dispatcher}").exists()


async def test_a_second_service_on_the_same_database_starts_beside_the_first(
    served: Served, tmp_path: Path
) -> None:
    async with serving(environment(tmp_path)) as second:
        assert await served.status("/readyz") == 200
        code, said = await second.stop()
        assert code == 0, said


async def test_another_master_key_stops_the_start_and_says_what_to_do(
    served: Served, tmp_path: Path
) -> None:
    code, said = await refused(environment(tmp_path, ESPALIER_SECRET_KEY="ab" * 32))
    assert code == 1
    assert "secret.key" in said


@pytest.mark.parametrize("name", ["ESPALIER_CALLBACK_ADDRESS", "ESPALIER_GRPC_ADDRESS"])
async def test_an_address_that_is_taken_stops_the_start_and_is_named(
    served: Served, tmp_path: Path, name: str
) -> None:
    code, said = await refused(environment(tmp_path, **{name: served.environ[name]}))
    assert code == 1
    assert served.environ[name].rpartition(":")[2] in said
    assert "Traceback" not in said


async def test_a_wrong_setting_stops_the_start_with_its_name(tmp_path: Path) -> None:
    code, said = await refused(environment(tmp_path, ESPALIER_DISPATCHER="2"))
    assert code == 2
    assert "ESPALIER_DISPATCHER" in said


async def test_a_callback_process_that_is_killed_is_replaced_and_callers_wait_for_it(
    served: Served,
) -> None:
    (first,) = served.receivers()
    os.kill(first, signal.SIGKILL)
    # Nobody is refused: the socket is not its own.
    assert await served.status("/healthz") == 200
    assert served.receivers() not in ([], [first])


async def test_no_callback_process_outlives_its_service(served: Served) -> None:
    (receiver,) = served.receivers()
    served.process.kill()
    await eventually(lambda: not Path(f"/proc/{receiver}").exists(), 30)


async def test_a_service_that_was_killed_can_be_started_again_at_once(tmp_path: Path) -> None:
    environ = environment(tmp_path)
    async with serving(environ) as first:
        first.process.kill()
        await first.process.wait()
        async with serving(environ) as second:
            code, said = await second.stop()
    assert code == 0, said


async def test_several_processes_answer_on_one_address(tmp_path: Path) -> None:
    async with serving(environment(tmp_path, ESPALIER_CALLBACK_PROCESSES="3")) as served:
        assert len(served.receivers()) == 3
        assert await served.status("/readyz") == 200
        code, said = await served.stop()
    assert code == 0, said
