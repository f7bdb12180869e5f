"""What becomes of the other requests where libcurl takes one not, or the transport itself fails."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from adapters.curl import CurlOptions, CurlTransport
from domain.http import AnswerLost, HttpRequest, NotSent, TransportBroken
from tests.adapters.transport_server import (
    OK,
    Connection,
    RawServer,
    Received,
    answering,
    raw_server,
    say_nothing,
)
from tests.support import eventually, free_port

PATIENT = 20.0


@pytest_asyncio.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server() as running:
        yield running


def transport_of(connections: int) -> CurlTransport:
    return CurlTransport(CurlOptions(user_agent="x", max_connections=connections))


def sending(transport: CurlTransport, request: HttpRequest) -> "asyncio.Task[object]":
    return asyncio.create_task(transport.send(request, timeout_seconds=PATIENT))


def post(server: RawServer) -> HttpRequest:
    return HttpRequest(method="POST", url=server.url(), body=b"{}")


def of_nine_megabytes(server: RawServer) -> HttpRequest:
    return HttpRequest(method="GET", url=server.url("/send?to=") + "x" * 9_000_000)


def of_the_wrong_type(server: RawServer) -> HttpRequest:
    return HttpRequest(method="POST", url=server.url(), body=object())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("faulty", "cause"),
    [
        (of_nine_megabytes, r"libcurl's error 43; its URL has 9,000,\d+ characters"),
        (of_the_wrong_type, "TypeError"),
    ],
)
async def test_a_request_that_libcurl_does_not_take_fails_alone(
    server: RawServer, faulty: Callable[[RawServer], HttpRequest], cause: str
) -> None:
    transport, go_on = transport_of(2), asyncio.Event()

    async def answer_in_the_end(_: Received, connection: Connection) -> None:
        await go_on.wait()
        connection.writer.write(OK)

    server.behaviour = answer_in_the_end
    in_flight = sending(transport, post(server))
    await eventually(lambda: len(server.received) == 1)

    # More often than there are connections: none of them is used up.
    for _ in range(3):
        with pytest.raises(NotSent, match=rf"the request to .* could not be begun: {cause}"):
            await transport.send(faulty(server), timeout_seconds=PATIENT)
    go_on.set()
    await in_flight
    await transport.send(post(server), timeout_seconds=PATIENT)
    await transport.close()

    assert len(server.received) == 2


class Faulty(HttpRequest):
    """Makes the transport fail when the request has ended: its server is asked for then."""

    @property
    def server(self) -> str:
        raise LookupError("key=secret")


def faulty() -> HttpRequest:
    return Faulty(method="POST", url=f"http://127.0.0.1:{free_port()}/", body=b"{}")


@pytest_asyncio.fixture
async def told() -> AsyncIterator[list[str]]:
    """The classes of the errors that the event loop was told of."""
    loop, errors = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, told: errors.append(type(told["exception"]).__name__))
    yield errors
    loop.set_exception_handler(None)


async def test_a_fault_of_the_transport_is_no_failed_attempt_of_what_has_not_left(
    server: RawServer, told: list[str]
) -> None:
    transport = transport_of(2)
    server.behaviour = say_nothing
    in_flight = sending(transport, post(server))
    await eventually(lambda: len(server.received) == 1)

    begun, waiting = sending(transport, faulty()), sending(transport, post(server))

    for unsent in (begun, waiting):
        with pytest.raises(TransportBroken, match="the transport has failed: LookupError"):
            await unsent
    with pytest.raises(AnswerLost, match="the transport has failed: LookupError"):
        await in_flight
    await transport.close()
    assert len(server.received) == 1
    assert told == ["LookupError"]


@pytest.mark.usefixtures("told")
async def test_a_transport_that_has_failed_stays_broken_until_it_is_closed(
    server: RawServer,
) -> None:
    transport = transport_of(2)
    for request in (faulty(), post(server), post(server)):
        with pytest.raises(TransportBroken) as broken:
            await transport.send(request, timeout_seconds=PATIENT)
        assert "secret" not in str(broken.value)

    await transport.close()

    with pytest.raises(NotSent, match="closed"):
        await transport.send(post(server), timeout_seconds=PATIENT)
    assert server.received == []


@pytest.mark.parametrize("kept", [False, True])
async def test_a_request_with_more_headers_than_libcurl_sends_is_not_sent(
    server: RawServer, kept: bool
) -> None:
    transport = transport_of(1)
    headers = (("X-Token", "s" * 2_000_000),)
    too_large = HttpRequest(method="POST", url=server.url(), headers=headers, body=b"{}")
    if kept:
        await transport.send(post(server), timeout_seconds=PATIENT)

    with pytest.raises(NotSent, match=r"the URL and headers .* are more than libcurl sends"):
        await transport.send(too_large, timeout_seconds=PATIENT)
    await transport.send(post(server), timeout_seconds=PATIENT)
    await transport.close()

    assert len(server.received) == 1 + kept


async def test_an_answer_with_more_headers_than_libcurl_reads_is_lost(server: RawServer) -> None:
    """libcurl has the same error for both."""
    transport = transport_of(1)
    server.behaviour = answering(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 2_000_000 + b"\r\n\r\n")

    with pytest.raises(AnswerLost):
        await transport.send(post(server), timeout_seconds=PATIENT)
    await transport.close()

    assert len(server.received) == 1
