"""What waits, what is in flight, and how CurlTransport ends."""

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.curl import CurlOptions, CurlTransport
from adapters.curl.watch import Poll, Poller, SocketWatch, new_poller
from domain.http import AnswerLost, HttpRequest, NotSent
from tests.adapters.transport_server import (
    OK,
    Connection,
    RawServer,
    Received,
    raw_server,
    say_nothing,
)
from tests.support import eventually

PATIENT = 20.0


@pytest_asyncio.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server() as running:
        yield running


def request_to(server: RawServer, path: str = "/send") -> HttpRequest:
    return HttpRequest(method="POST", url=server.url(path), body=b"{}")


def narrow(connections: int, **options: float) -> CurlTransport:
    return CurlTransport(
        CurlOptions(user_agent="x", max_connections=connections, **options)  # type: ignore[arg-type]
    )


class Gate:
    """Holds every answer until it is opened."""

    def __init__(self, server: RawServer) -> None:
        self._open = asyncio.Event()
        server.behaviour = self._answer

    def open(self) -> None:
        self._open.set()

    async def _answer(self, _: Received, connection: Connection) -> None:
        await self._open.wait()
        connection.writer.write(OK)


def paths(server: RawServer) -> list[str]:
    return [received.line.split()[1] for received in server.received]


async def test_never_more_connections_than_allowed_are_open(server: RawServer) -> None:
    transport, gate = narrow(3), Gate(server)
    sends = [
        asyncio.create_task(transport.send(request_to(server), timeout_seconds=PATIENT))
        for _ in range(20)
    ]
    await eventually(lambda: server.open_connections == 3)
    gate.open()
    await asyncio.gather(*sends)
    await transport.close()

    assert server.most_open_connections == 3
    assert len(server.received) == 20


def test_a_transport_without_connections_is_refused() -> None:
    with pytest.raises(ValueError, match="max_connections"):
        narrow(0)


async def test_a_connection_to_one_server_makes_room_for_another(server: RawServer) -> None:
    transport = narrow(1)

    async with raw_server() as other:
        for target in (server, other, server, other):
            await transport.send(request_to(target), timeout_seconds=PATIENT)
        assert await eventually(lambda: server.open_connections + other.open_connections <= 1)
        await transport.close()

    assert (len(server.received), len(other.received)) == (2, 2)


async def test_the_timeout_of_what_waits_does_not_run(server: RawServer) -> None:
    transport = narrow(1)
    server.behaviour = say_nothing
    first = asyncio.create_task(transport.send(request_to(server, "/1"), timeout_seconds=0.6))
    await eventually(lambda: paths(server) == ["/1"])

    # It waits longer than it may take, since the first one takes twice as long.
    second = asyncio.create_task(transport.send(request_to(server, "/2"), timeout_seconds=0.3))
    with pytest.raises(AnswerLost):
        await first
    Gate(server)
    with pytest.raises(AnswerLost, match=r"within 0\.3 s"):
        await second
    await transport.close()

    assert paths(server) == ["/1", "/2"]


async def test_a_wait_that_is_cancelled_before_its_turn_takes_its_request_back(
    server: RawServer,
) -> None:
    transport, gate = narrow(1), Gate(server)
    first = asyncio.create_task(transport.send(request_to(server, "/1"), timeout_seconds=PATIENT))
    await eventually(lambda: paths(server) == ["/1"])
    second = asyncio.create_task(transport.send(request_to(server, "/2"), timeout_seconds=PATIENT))
    third = asyncio.create_task(transport.send(request_to(server, "/3"), timeout_seconds=PATIENT))
    await asyncio.sleep(0)  # Both are submitted.

    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.open()
    await asyncio.gather(first, third)
    await transport.close()

    assert paths(server) == ["/1", "/3"]


async def test_a_request_in_flight_goes_on_when_its_wait_is_cancelled(server: RawServer) -> None:
    transport, gate = narrow(1), Gate(server)
    first = asyncio.create_task(transport.send(request_to(server, "/1"), timeout_seconds=PATIENT))
    await eventually(lambda: paths(server) == ["/1"])

    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.open()
    await transport.send(request_to(server, "/2"), timeout_seconds=PATIENT)
    await transport.close()

    assert [(r.connection, r.turn) for r in server.received] == [(1, 1), (1, 2)]


async def test_close_refuses_what_waits_and_gives_up_what_is_in_flight_for_too_long(
    server: RawServer,
) -> None:
    transport = narrow(1, drain_timeout=0.2)
    server.behaviour = say_nothing
    in_flight = asyncio.create_task(transport.send(request_to(server), timeout_seconds=PATIENT))
    await eventually(lambda: len(server.received) == 1)
    waiting = asyncio.create_task(transport.send(request_to(server), timeout_seconds=PATIENT))
    await asyncio.sleep(0)  # It is submitted.

    await transport.close()

    with pytest.raises(NotSent, match="closed"):
        await waiting
    with pytest.raises(AnswerLost, match="closed"):
        await in_flight
    assert len(server.received) == 1


async def test_where_no_event_loop_can_watch_the_sockets_they_are_looked_at(
    server: RawServer,
) -> None:
    transport = CurlTransport(CurlOptions(user_agent="x", max_connections=4), new_poller=Poll)
    sends = [transport.send(request_to(server), timeout_seconds=PATIENT) for _ in range(40)]

    answers = await asyncio.gather(*sends)
    await transport.close()

    assert {answer.status for answer in answers} == {200}
    assert len(server.received) == 40


class CountingPoll(Poll):
    """It is asked once for each look at libcurl, since no event loop watches it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def poll(self) -> list[tuple[int, int]]:
        self.asked += 1
        return super().poll()


async def test_a_long_body_leaves_the_event_loop_to_others(server: RawServer) -> None:
    poller = CountingPoll()
    transport = CurlTransport(CurlOptions(user_agent="x"), new_poller=lambda: poller)
    request = HttpRequest(method="POST", url=server.url(), body=bytes(20_000_000))
    send = asyncio.create_task(transport.send(request, timeout_seconds=PATIENT))
    looks: list[int] = []

    while not send.done():
        before = poller.asked
        await asyncio.sleep(0)
        looks.append(poller.asked - before)
    await transport.close()

    # One of them may be the timer's.
    assert 1 <= max(looks) <= 2


async def test_descriptors_are_given_back(server: RawServer) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        transport = narrow(2)
        await transport.send(request_to(server), timeout_seconds=PATIENT)
        await transport.close()
        await eventually(lambda: server.open_connections == 0)

    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """The lowest 1,024 descriptors are taken, which is where select(2) ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("this system allows no more than 2,048 descriptors a process")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield
    for descriptor in taken:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
async def test_descriptors_beyond_1024_are_no_trouble(server: RawServer) -> None:
    transport = narrow(2)

    response = await transport.send(request_to(server), timeout_seconds=PATIENT)
    await transport.close()

    assert response.status == 200


@pytest.mark.parametrize("make_poller", [new_poller, Poll])
class TestSocketWatch:
    @pytest.fixture
    def watch(self, make_poller: Callable[[], Poller]) -> Iterator[SocketWatch]:
        made = SocketWatch(make_poller())
        yield made
        made.close()

    @pytest.fixture
    def pair(self, watch: SocketWatch) -> Iterator[tuple[socket.socket, socket.socket]]:
        """A connection that the watch opened, and its other end."""
        kept = socket.socket(fileno=watch.open(socket.AF_INET, socket.SOCK_STREAM, 0))
        with socket.create_server(("127.0.0.1", 0)) as listener, kept:
            kept.connect(listener.getsockname())
            kept.setblocking(False)
            peer, _ = listener.accept()
            with peer:
                watch.look()
                yield kept, peer

    async def test_a_connection_that_ends_while_nothing_is_asked_is_not_to_be_used_again(
        self, watch: SocketWatch, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        kept, peer = pair
        port = kept.getsockname()[1]
        assert watch.begin(port, self)
        watch.end(port, self)
        watch.look()
        # That it could be written to is no end.
        assert watch.begin(port, self)
        watch.end(port, self)

        peer.close()
        watch.look()

        assert not watch.begin(port, self)
        # It is told once: another connection may come from there.
        assert watch.begin(port, self)

    async def test_an_answer_is_no_end(
        self, watch: SocketWatch, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        kept, peer = pair
        port = kept.getsockname()[1]
        watch.begin(port, self)
        peer.send(b"an answer")
        watch.look()
        assert kept.recv(100) == b"an answer"
        watch.end(port, self)
        watch.look()

        assert watch.begin(port, self)

    async def test_an_answer_that_was_read_before_its_news_came_is_no_end(
        self, watch: SocketWatch, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        kept, peer = pair
        port = kept.getsockname()[1]
        watch.begin(port, self)
        peer.send(b"an answer")
        assert kept.recv(100) == b"an answer"
        watch.end(port, self)
        watch.look()

        assert watch.begin(port, self)

    async def test_what_is_said_unasked_is_the_end(
        self, watch: SocketWatch, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        kept, peer = pair
        port = kept.getsockname()[1]
        watch.begin(port, self)
        watch.end(port, self)
        peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        watch.look()

        assert not watch.begin(port, self)

    async def test_the_next_request_of_a_connection_may_begin_before_the_last_has_been_collected(
        self, watch: SocketWatch, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        kept, peer = pair
        port = kept.getsockname()[1]
        first, second = object(), object()
        watch.begin(port, first)
        watch.begin(port, second)
        watch.end(port, first)
        peer.send(b"the answer to the second")
        watch.look()
        watch.end(port, second)
        assert kept.recv(100)

        assert watch.begin(port, first)

    async def test_a_file_in_the_place_of_a_connection_that_is_closed_costs_no_descriptors(
        self, watch: SocketWatch, tmp_path: Path
    ) -> None:
        descriptor = watch.open(socket.AF_INET, socket.SOCK_STREAM, 0)
        (tmp_path / "file").touch()
        with (tmp_path / "file").open() as file:
            os.dup2(file.fileno(), descriptor)
            before = len(os.listdir("/proc/self/fd"))
            watch.look()
            after = len(os.listdir("/proc/self/fd"))
            os.close(descriptor)

        assert after == before
