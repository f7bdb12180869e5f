"""What CurlTransport sends, and what it makes of every kind of answer."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.curl import CurlOptions, CurlTransport
from domain.http import AnswerLost, HttpRequest
from tests.adapters.transport_server import (
    OK,
    Connection,
    RawServer,
    Received,
    answering,
    breaking_off_after,
    raw_server,
)
from tests.support import eventually, free_port

PATIENT = 20.0
BRIEF = 0.3
ROOT = Path(__file__).parents[2]


@pytest_asyncio.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server() as running:
        yield running


@pytest_asyncio.fixture
async def transport() -> AsyncIterator[CurlTransport]:
    opened = CurlTransport(CurlOptions(user_agent="Espalier/1.2"))
    yield opened
    await opened.close()


def post(server: RawServer, body: bytes = b"{}", **headers: str) -> HttpRequest:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpRequest(method="POST", url=server.url(), headers=named, body=body)


async def test_a_post_looks_like_this_on_the_wire(
    server: RawServer, transport: CurlTransport
) -> None:
    request = post(server, b'{"a":1}', Content_Type="application/json", X_Empty="", x_CASE="v")

    await transport.send(request, timeout_seconds=PATIENT)

    assert server.received[0].line == "POST /send HTTP/1.1"
    assert server.received[0].headers == (
        ("Host", f"127.0.0.1:{server.port}"),
        ("User-Agent", "Espalier/1.2"),
        ("Accept", "*/*"),
        ("Content-Type", "application/json"),
        ("X-Empty", ""),
        ("x-CASE", "v"),
        ("Content-Length", "7"),
    )


async def test_a_get_looks_like_this_on_the_wire(
    server: RawServer, transport: CurlTransport
) -> None:
    url = server.url("/a/../b//c?to=a%40b&q='(x)'&&=")

    await transport.send(HttpRequest(method="GET", url=url), timeout_seconds=PATIENT)

    assert server.received[0].line == "GET /a/../b//c?to=a%40b&q='(x)'&&= HTTP/1.1"
    assert server.received[0].headers == (
        ("Host", f"127.0.0.1:{server.port}"),
        ("User-Agent", "Espalier/1.2"),
        ("Accept", "*/*"),
    )


async def test_a_header_of_the_request_replaces_the_transports_own(
    server: RawServer, transport: CurlTransport
) -> None:
    request = post(server, User_Agent="Mine/1", Accept="application/json")

    await transport.send(request, timeout_seconds=PATIENT)

    headers = server.received[0].headers
    assert [pair for pair in headers if pair[0] in ("User-Agent", "Accept")] == [
        ("User-Agent", "Mine/1"),
        ("Accept", "application/json"),
    ]


@pytest.mark.parametrize("value", ["", " ", "\t "])
async def test_a_header_without_a_value_is_sent_empty(
    server: RawServer, transport: CurlTransport, value: str
) -> None:
    await transport.send(post(server, X_Optional=value), timeout_seconds=PATIENT)

    assert server.received[0].header("X-Optional") == ""


async def test_a_repeated_header_is_sent_as_often(
    server: RawServer, transport: CurlTransport
) -> None:
    headers = (("X-Tag", "a"), ("X-Tag", "b"))
    request = HttpRequest(method="POST", url=server.url(), headers=headers, body=b"")

    await transport.send(request, timeout_seconds=PATIENT)

    assert [pair for pair in server.received[0].headers if pair[0] == "X-Tag"] == list(headers)


async def test_a_large_body_goes_out_at_once_and_without_asking(
    server: RawServer, transport: CurlTransport
) -> None:
    body = bytes(5_000_000)

    await transport.send(post(server, body), timeout_seconds=PATIENT)

    assert server.received[0].body == body
    assert server.received[0].header("Expect") is None


async def test_requests_after_each_other_share_a_connection(
    server: RawServer, transport: CurlTransport
) -> None:
    for _ in range(3):
        await transport.send(post(server), timeout_seconds=PATIENT)

    assert [(r.connection, r.turn) for r in server.received] == [(1, 1), (1, 2), (1, 3)]


async def test_a_connection_that_the_server_has_closed_is_not_used_again(
    server: RawServer, transport: CurlTransport
) -> None:
    server.behaviour = breaking_off_after(OK)

    for _ in range(3):
        response = await transport.send(post(server), timeout_seconds=PATIENT)
        await eventually(lambda: server.open_connections == 0)
        assert response.status == 200

    assert server.connections == 3


async def test_a_body_is_given_back_when_its_request_is_over(
    server: RawServer, transport: CurlTransport
) -> None:
    dropped = []

    class Body(bytes):
        def __del__(self) -> None:
            dropped.append(len(self))

    async def send() -> None:
        await transport.send(post(server, Body(100_000)), timeout_seconds=PATIENT)

    await send()

    assert await eventually(lambda: dropped) == [100_000]


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "status", "headers", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\nX-Id: 1\r\n\r\n", 204, (("X-Id", "1"),), b""),
        (b"HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n", 299, (("Content-Length", "0"),), b""),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
            200,
            (("Transfer-Encoding", "chunked"),),
            b"abcdefg",
        ),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Trailer: t\r\n\r\n",
            200,
            (("Transfer-Encoding", "chunked"),),
            b"a",
        ),
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            b"HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx",
            201,
            (("Content-Length", "1"),),
            b"x",
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy: later\r\n"
            b"Retry-After: 3\r\nContent-Length: 0\r\n\r\n",
            503,
            (("Retry-After", "3"), ("Content-Length", "0")),
            b"",
        ),
        (
            HEAD + b"Set-Cookie: a=1\r\nset-cookie: b=2\r\nX-Latin: \xe9\r\nX-Url: http://x:1\r\n"
            b"X-Empty:\r\nContent-Length: 0\r\n\r\n",
            200,
            (
                ("Set-Cookie", "a=1"),
                ("set-cookie", "b=2"),
                ("X-Latin", "é"),
                ("X-Url", "http://x:1"),
                ("X-Empty", ""),
                ("Content-Length", "0"),
            ),
            b"",
        ),
        (b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx", 200, (("Content-Length", "1"),), b"x"),
    ],
)
async def test_answers_in_every_form_are_read(
    server: RawServer,
    transport: CurlTransport,
    answer: bytes,
    status: int,
    headers: tuple[tuple[str, str], ...],
    body: bytes,
) -> None:
    server.behaviour = answering(answer)

    response = await transport.send(post(server), timeout_seconds=PATIENT)

    assert (response.status, tuple(response.headers)) == (status, headers)
    assert response.body == body
    assert response.truncated is False
    assert 0 < response.elapsed_seconds < PATIENT


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_an_answer_that_ends_with_its_connection_is_complete(
    server: RawServer, transport: CurlTransport, version: bytes
) -> None:
    server.behaviour = breaking_off_after(b"HTTP/%s 200 OK\r\n\r\nuntil the end" % version)

    response = await transport.send(post(server), timeout_seconds=PATIENT)

    assert response.body == b"until the end"


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 2", "without an answer"),
        (HEAD, "answered 200 and broke off"),
        (HEAD + b"X-Id: 1\r\nX-Na", "answered 200 and broke off"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD, "answered 200 and broke off"),
        (HEAD + b"Content-Length: 10\r\n\r\nabc", "answered 200 and broke off"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", "answered 200 and broke off"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "lost the connection|without an answer"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "connection|not HTTP"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "is not HTTP"),
        (b"220 mail.example.com ESMTP\r\n", "is not HTTP"),
        (b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n", "is not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "is not HTTP"),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "127.0.0.1"),
    ],
)
async def test_an_answer_that_breaks_off_or_is_none_leaves_the_request_in_doubt(
    server: RawServer, transport: CurlTransport, part: bytes, reason: str
) -> None:
    server.behaviour = breaking_off_after(part)

    with pytest.raises(AnswerLost, match=reason):
        await transport.send(post(server), timeout_seconds=PATIENT)

    assert len(server.received) == 1


@pytest.mark.parametrize("prefix", [b"", HEAD, HEAD + b"Content-Length: 1000\r\n\r\n"])
async def test_an_answer_of_a_byte_at_a_time_is_given_up(
    server: RawServer, transport: CurlTransport, prefix: bytes
) -> None:
    async def drip(_: Received, connection: Connection) -> None:
        connection.writer.write(prefix)
        for byte in b"HTTP/1.1 200 OK\r\n" if not prefix else b"X" * 1000:
            connection.writer.write(bytes([byte]))
            await connection.writer.drain()
            await asyncio.sleep(BRIEF / 10)

    server.behaviour = drip

    with pytest.raises(AnswerLost, match=r"no complete answer .* within 0\.3 s"):
        await transport.send(post(server), timeout_seconds=BRIEF)


@pytest.mark.parametrize(("size", "truncated"), [(9, False), (10, False), (11, True), (99, True)])
async def test_of_a_long_body_the_start_is_kept(
    server: RawServer, size: int, truncated: bool
) -> None:
    transport = CurlTransport(CurlOptions(user_agent="x", max_response_bytes=10))
    body = bytes(range(65, 65 + size))
    server.behaviour = answering(HEAD + b"Content-Length: %d\r\n\r\n" % size + body)

    response = await transport.send(post(server), timeout_seconds=PATIENT)
    await transport.close()

    assert (response.status, response.body, response.truncated) == (200, body[:10], truncated)
    assert response.header("Content-Length") == str(size)


async def test_a_body_without_end_is_left(server: RawServer, transport: CurlTransport) -> None:
    async def stream(_: Received, connection: Connection) -> None:
        connection.writer.write(HEAD + b"\r\n")
        while True:
            connection.writer.write(bytes(65536))
            await connection.writer.drain()

    server.behaviour = stream

    response = await transport.send(post(server), timeout_seconds=PATIENT)

    assert (response.status, response.truncated, len(response.body)) == (200, True, 1 << 20)
    assert await eventually(lambda: server.open_connections == 0)


async def test_an_answer_that_comes_before_the_body_was_read_counts(
    transport: CurlTransport,
) -> None:
    gone = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        with suppress(ConnectionError):
            while await reader.read(65536):
                pass
        writer.close()
        gone.set()

    listening = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    request = HttpRequest(method="POST", url=url, body=bytes(20_000_000))

    response = await transport.send(request, timeout_seconds=PATIENT)
    await gone.wait()
    listening.close()

    assert response.status == 413


async def test_a_proxy_of_the_environment_is_ignored(server: RawServer) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    script = (
        "import asyncio, sys\n"
        "from adapters.curl import CurlOptions, CurlTransport\n"
        "from domain.http import HttpRequest\n"
        "async def main():\n"
        "    transport = CurlTransport(CurlOptions(user_agent='x'))\n"
        "    request = HttpRequest(method='GET', url=sys.argv[1])\n"
        "    print((await transport.send(request, timeout_seconds=20)).status)\n"
        "    await transport.close()\n"
        "asyncio.run(main())\n"
    )
    environment = dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"), nobody)

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        server.url(),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()

    assert output == b"200\n"


async def test_a_proxy_that_was_asked_for_is_used(server: RawServer) -> None:
    transport = CurlTransport(CurlOptions(user_agent="x", proxy=server.url("")))
    request = HttpRequest(method="GET", url="http://esp.invalid/send?to=a")

    response = await transport.send(request, timeout_seconds=PATIENT)
    await transport.close()

    assert response.status == 200
    assert server.received[0].line == "GET http://esp.invalid/send?to=a HTTP/1.1"


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 1e9])
async def test_a_timeout_that_is_none_is_refused(
    server: RawServer, transport: CurlTransport, seconds: float
) -> None:
    with pytest.raises(ValueError, match="timeout"):
        await transport.send(post(server), timeout_seconds=seconds)

    assert server.received == []
