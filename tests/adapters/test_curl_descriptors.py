"""How many connections there may be by the limits of a process."""

import resource
from collections.abc import Iterator

import pytest

from adapters.curl import CurlOptions, CurlTransport
from adapters.curl.descriptors import Room, make_room, room_for
from domain.http import HttpRequest
from domain.provider_rules import MAX_IN_FLIGHT
from tests.adapters.transport_server import raw_server

UNLIMITED = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "room"),
    [
        (4096, 4096, Room(4096, 1024)),
        (1280, 4096, Room(1280, 1024)),
        (1024, 4096, Room(1280, 1024)),
        (256, UNLIMITED, Room(1280, 1024)),
        (1024, 1024, Room(1024, 768)),
        (256, 512, Room(512, 256)),
        (64, 64, Room(64, 1)),
        (UNLIMITED, UNLIMITED, Room(UNLIMITED, 1024)),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_the_hard_one_lets_it(
    soft: int, hard: int, room: Room
) -> None:
    assert room_for(1024, soft=soft, hard=hard) == room


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != UNLIMITED and hard < 2048:
        pytest.skip("this system allows no more than 2,048 descriptors a process")
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_descriptors")
def test_the_limit_of_this_process_is_raised_and_never_lowered() -> None:
    assert make_room(100) == 100
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 512
    assert make_room(1024) == 1024
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 1280


@pytest.mark.usefixtures("few_descriptors")
async def test_a_transport_has_descriptors_for_all_that_a_provider_may_have_in_flight() -> None:
    options = CurlOptions(user_agent="x")
    transport = CurlTransport(options)
    async with raw_server() as server:
        request = HttpRequest(method="POST", url=server.url(), body=b"{}")
        await transport.send(request, timeout_seconds=20)
        await transport.close()

    assert options.max_connections >= MAX_IN_FLIGHT
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > options.max_connections
