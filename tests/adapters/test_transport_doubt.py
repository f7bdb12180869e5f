"""When CurlTransport is sure that nothing was sent, and that it never sends twice."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import certifi
import pycurl
import pytest
import pytest_asyncio

from adapters.curl import CurlOptions, CurlTransport
from adapters.curl.hasty import HastyServers
from domain.http import AnswerLost, HttpRequest, HttpResponse, NotSent
from tests.adapters.transport_server import (
    OK,
    Connection,
    RawServer,
    Received,
    breaking_off_after,
    raw_server,
)
from tests.adapters.transport_tls import Authority, new_authority
from tests.support import eventually

PATIENT = 20.0
BRIEF = 0.3


@pytest_asyncio.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server() as running:
        yield running


@pytest_asyncio.fixture
async def transport() -> AsyncIterator[CurlTransport]:
    opened = CurlTransport(CurlOptions(user_agent="Espalier/test"))
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("authority"))


def request_for(method: str, url: str) -> HttpRequest:
    return HttpRequest(method=method, url=url, body=b"{}" if method == "POST" else None)


async def answer_once_then_take_and_go(received: Received, connection: Connection) -> None:
    if received.turn == 1:
        connection.writer.write(OK)
    else:
        connection.writer.close()


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_request_that_a_kept_connection_took_and_died_of_is_sent_no_second_time(
    server: RawServer, transport: CurlTransport, method: str
) -> None:
    server.behaviour = answer_once_then_take_and_go
    await transport.send(request_for(method, server.url("/first")), timeout_seconds=PATIENT)

    with pytest.raises(AnswerLost, match="without an answer"):
        await transport.send(request_for(method, server.url("/second")), timeout_seconds=PATIENT)

    # Whatever came over the connection that would have been the second chance is read by now.
    await transport.send(request_for(method, server.url("/third")), timeout_seconds=PATIENT)
    lines = [received.line for received in server.received]
    assert lines == [f"{method} /{path} HTTP/1.1" for path in ("first", "second", "third")]


async def test_libcurl_alone_would_send_it_twice(server: RawServer) -> None:
    """The behaviour of libcurl that the test above is about. Where this fails, it has changed."""
    server.behaviour = answer_once_then_take_and_go

    def send_two() -> None:
        curl = pycurl.Curl()
        curl.setopt(pycurl.POSTFIELDS, b"{}")
        for path in ("/first", "/second"):
            curl.setopt(pycurl.URL, server.url(path))
            curl.perform_rb()
        curl.close()

    await asyncio.to_thread(send_two)

    seen = [(r.line.split()[1], r.connection) for r in server.received]
    assert seen == [("/first", 1), ("/second", 1), ("/second", 2)]


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_request_that_was_taken_is_in_doubt_also_where_no_new_connection_is_possible(
    server: RawServer, transport: CurlTransport, method: str
) -> None:
    """libcurl's own error is then "could not connect", of the second connection."""

    async def take_and_vanish(received: Received, connection: Connection) -> None:
        if received.turn == 2:
            server.stop_listening()
        await answer_once_then_take_and_go(received, connection)

    server.behaviour = take_and_vanish
    await transport.send(request_for(method, server.url()), timeout_seconds=PATIENT)

    with pytest.raises(AnswerLost):
        await transport.send(request_for(method, server.url()), timeout_seconds=PATIENT)

    assert [(r.connection, r.turn) for r in server.received] == [(1, 1), (1, 2)]


async def test_a_reset_after_the_request_leaves_it_in_doubt(
    server: RawServer, transport: CurlTransport
) -> None:
    async def reset(_: Received, connection: Connection) -> None:
        connection.writer.transport.abort()

    server.behaviour = reset

    with pytest.raises(AnswerLost):
        await transport.send(request_for("POST", server.url()), timeout_seconds=PATIENT)

    assert len(server.received) == 1


@pytest.mark.parametrize("connections", [1, 8])
async def test_a_server_that_closes_without_notice_puts_no_more_than_the_first_requests_in_doubt(
    server: RawServer, connections: int
) -> None:
    transport = CurlTransport(CurlOptions(user_agent="x", max_connections=connections))
    server.behaviour = breaking_off_after(OK)
    sends = [
        transport.send(request_for("POST", server.url(f"/{i}")), timeout_seconds=PATIENT)
        for i in range(200)
    ]

    outcomes = await asyncio.gather(*sends, return_exceptions=True)
    await transport.close()

    # A request may meet a connection in the very moment of its end; thereafter none can.
    in_doubt = [outcome for outcome in outcomes if isinstance(outcome, AnswerLost)]
    assert len(in_doubt) <= connections
    answered = [outcome for outcome in outcomes if isinstance(outcome, HttpResponse)]
    assert len(answered) + len(in_doubt) == 200
    lines = [received.line for received in server.received]
    assert len(lines) == len(set(lines)) >= len(answered)


def test_a_server_is_held_to_be_hasty_for_a_minute() -> None:
    now = 1000.0
    servers = HastyServers(lambda: now)
    assert not servers

    servers.add("a.example.com")
    now = 1059.0
    assert ("a.example.com" in servers, "b.example.com" in servers) == (True, False)

    now = 1061.0
    assert "a.example.com" not in servers
    assert not servers


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://no-such-host.invalid/", "could not find the address of no-such-host.invalid"),
        ("http://127.0.0.1:1/", "could not connect to 127.0.0.1:1: Connection refused"),
        ("http://[::1]:1/", r"could not connect to \[::1\]:1"),
        ("http://127.0.0.1:99999/", "could not connect to 127.0.0.1:99999"),
    ],
)
async def test_what_meets_no_server_is_not_sent(
    transport: CurlTransport, url: str, reason: str
) -> None:
    with pytest.raises(NotSent, match=reason):
        await transport.send(request_for("POST", url), timeout_seconds=PATIENT)


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port where connecting neither succeeds nor fails: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()


async def test_a_timeout_while_connecting_is_not_sent(
    transport: CurlTransport, full_port: int
) -> None:
    url = f"http://127.0.0.1:{full_port}/"

    with pytest.raises(NotSent, match=r"could not connect to .* in time"):
        await transport.send(request_for("POST", url), timeout_seconds=BRIEF)


async def test_connecting_has_a_bound_of_its_own(full_port: int) -> None:
    transport = CurlTransport(CurlOptions(user_agent="x", connect_timeout=BRIEF))
    url = f"http://127.0.0.1:{full_port}/"

    with pytest.raises(NotSent, match=r"could not connect to .* in time"):
        await transport.send(request_for("POST", url), timeout_seconds=3600)

    await transport.close()


async def test_a_timeout_within_the_tls_handshake_is_not_sent(transport: CurlTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"

        with pytest.raises(NotSent, match=r"could not connect to .* in time"):
            await transport.send(request_for("POST", url), timeout_seconds=BRIEF)


async def test_over_tls_requests_share_a_connection(authority: Authority, tmp_path: Path) -> None:
    transport = CurlTransport(CurlOptions(user_agent="x", ca_file=str(authority.ca_file)))

    async with raw_server(authority.server_context(tmp_path)) as server:
        for _ in range(3):
            request = request_for("POST", server.url())
            assert (await transport.send(request, timeout_seconds=PATIENT)).status == 200
        await transport.close()

    assert [(r.connection, r.turn) for r in server.received] == [(1, 1), (1, 2), (1, 3)]


async def test_over_tls_nothing_is_sent_twice_either(authority: Authority, tmp_path: Path) -> None:
    transport = CurlTransport(CurlOptions(user_agent="x", ca_file=str(authority.ca_file)))

    async with raw_server(authority.server_context(tmp_path)) as server:
        server.behaviour = answer_once_then_take_and_go
        await transport.send(request_for("POST", server.url("/first")), timeout_seconds=PATIENT)
        with pytest.raises(AnswerLost):
            await transport.send(
                request_for("POST", server.url("/second")), timeout_seconds=PATIENT
            )
        await transport.send(request_for("POST", server.url("/third")), timeout_seconds=PATIENT)
        await transport.close()

    paths = [received.line.split()[1] for received in server.received]
    assert paths == ["/first", "/second", "/third"]


async def test_over_tls_a_connection_that_the_server_has_closed_is_not_used_again(
    authority: Authority, tmp_path: Path
) -> None:
    async def answer_and_close(_: Received, connection: Connection) -> None:
        connection.writer.write(OK)
        connection.writer.close()
        # asyncio would wait for the client to say goodbye as well, and most servers do not.
        connection.writer.transport.abort()

    transport = CurlTransport(CurlOptions(user_agent="x", ca_file=str(authority.ca_file)))

    async with raw_server(authority.server_context(tmp_path)) as server:
        server.behaviour = answer_and_close
        for number in range(3):
            request = request_for("POST", server.url(f"/{number}"))
            assert (await transport.send(request, timeout_seconds=PATIENT)).status == 200
            await eventually(lambda: server.open_connections == 0)
        await transport.close()

    assert server.connections == 3


@pytest.mark.parametrize("name", ["127.0.0.1", "other.example.com"])
async def test_a_certificate_that_does_not_fit_is_not_sent(
    authority: Authority, tmp_path: Path, name: str
) -> None:
    # The right name by an authority that is not trusted, and the wrong one by one that is.
    trusted = certifi.where() if name == "127.0.0.1" else str(authority.ca_file)
    transport = CurlTransport(CurlOptions(user_agent="x", ca_file=trusted))

    async with raw_server(authority.server_context(tmp_path, name)) as server:
        with pytest.raises(NotSent, match=r"no TLS connection to .*certificate"):
            await transport.send(request_for("POST", server.url()), timeout_seconds=PATIENT)
        await transport.close()

    assert server.received == []


async def test_https_to_a_server_without_tls_is_not_sent(transport: CurlTransport) -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    plain = await asyncio.start_server(garbage, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}/"
    with pytest.raises(NotSent, match="no TLS connection"):
        await transport.send(request_for("POST", url), timeout_seconds=PATIENT)
    plain.close()


async def test_a_file_of_authorities_that_is_missing_is_named(
    server: RawServer, tmp_path: Path
) -> None:
    transport = CurlTransport(CurlOptions(user_agent="x", ca_file=str(tmp_path / "none.pem")))
    url = server.url().replace("http://", "https://")

    with pytest.raises(NotSent, match=r"none\.pem"):
        await transport.send(request_for("POST", url), timeout_seconds=PATIENT)
    await transport.close()


async def test_an_address_that_is_not_allowed_is_not_connected_to(server: RawServer) -> None:
    asked = []

    def allow(ip: str, port: int) -> bool:
        asked.append((ip, port))
        return False

    transport = CurlTransport(CurlOptions(user_agent="x", allow_address=allow))
    url = server.url(host="localhost")
    with pytest.raises(NotSent, match=r"localhost:\d+ has the address .* which is not allowed"):
        await transport.send(request_for("POST", url), timeout_seconds=PATIENT)
    await transport.close()

    assert ("127.0.0.1", server.port) in asked
    assert server.connections == 0


async def test_an_address_that_is_allowed_is_asked_about_once_per_connection(
    server: RawServer,
) -> None:
    asked = []

    def allow(ip: str, port: int) -> bool:
        asked.append((ip, port))
        return True

    transport = CurlTransport(CurlOptions(user_agent="x", allow_address=allow))
    for _ in range(2):
        await transport.send(request_for("POST", server.url()), timeout_seconds=PATIENT)
    await transport.close()

    assert asked == [("127.0.0.1", server.port)]


async def test_a_guard_that_fails_lets_nothing_through(server: RawServer) -> None:
    def allow(_ip: str, _port: int) -> bool:
        raise RuntimeError("no list of addresses")

    transport = CurlTransport(CurlOptions(user_agent="x", allow_address=allow))
    with pytest.raises(NotSent, match="not allowed"):
        await transport.send(request_for("POST", server.url()), timeout_seconds=PATIENT)
    await transport.close()

    assert server.connections == 0
