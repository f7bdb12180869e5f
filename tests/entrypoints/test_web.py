"""What stands beside the callbacks on their address: what an orchestrator asks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest

from domain.errors import TryLater
from entrypoints.serve.listening import close, listen
from entrypoints.serve.web import SERVING, STARTING, STOPPING, Probes, Web


@dataclass
class World:
    """A server whose service is in a state, with a log that is so far behind."""

    state: str = SERVING
    lag: int = 0
    is_busy: bool = False
    trouble: str = ""
    url: str = ""
    client: aiohttp.ClientSession = field(init=False)

    async def read_lag(self) -> int:
        if self.is_busy:
            raise TryLater("busy")
        return self.lag

    async def probe(self) -> None:
        """A storage that has nothing to do."""

    async def ask(self, path: str, method: str = "GET") -> tuple[int, str]:
        async with self.client.request(method, self.url + path) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    (sockets,) = await listen("127.0.0.1", 0, processes=1)
    probes = Probes(read_lag=made.read_lag, storage=made, state=lambda: made.state)
    server = Web(probes, sockets, drain_seconds=1)
    await server.start()
    made.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    async with aiohttp.ClientSession() as made.client:
        yield made
    await server.stop()
    close(sockets)


async def test_a_serving_service_is_ready_and_tells_how_far_states_are_behind(
    world: World,
) -> None:
    world.lag = 17
    assert await world.ask("/readyz") == (200, '{"status": "ready", "fold_lag_events": 17}')


@pytest.mark.parametrize("state", [STARTING, STOPPING])
async def test_a_service_that_does_not_serve_is_not_ready_and_alive(
    world: World, state: str
) -> None:
    world.state = state
    assert await world.ask("/readyz") == (503, f'{{"status": "{state}"}}')
    assert await world.ask("/healthz") == (200, '{"status": "ok"}')


async def test_without_its_database_it_is_not_ready_and_alive(world: World) -> None:
    world.is_busy = True
    status, said = await world.ask("/readyz")
    assert (status, "database" in said) == (503, True)
    assert (await world.ask("/healthz"))[0] == 200


async def test_a_database_that_cannot_be_written_makes_it_not_ready(world: World) -> None:
    world.trouble = "the disk is full"
    assert await world.ask("/readyz") == (
        503,
        '{"status": "the database cannot be written: the disk is full"}',
    )


async def test_a_query_changes_nothing(world: World) -> None:
    assert (await world.ask("/healthz?probe=1"))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/healthz", 405),
        ("HEAD", "/healthz", 200),
        ("GET", "/", 404),
        ("GET", "/callback", 404),
        ("GET", "/healthz/more", 404),
    ],
)
async def test_everything_else_is_refused(
    world: World, method: str, path: str, status: int
) -> None:
    assert (await world.ask(path, method))[0] == status
