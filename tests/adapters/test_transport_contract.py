"""What every Transport must do, over libcurl and a real server and over the fake."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import pytest
import pytest_asyncio

from adapters.curl import CurlOptions, CurlTransport
from domain.http import AnswerLost, HttpRequest, HttpResponse, NotSent
from tests.adapters.fake_transport import FakeTransport
from tests.adapters.transport_server import (
    Connection,
    RawServer,
    Received,
    answering,
    breaking_off_after,
    raw_server,
    say_nothing,
)
from tests.support import eventually

PATIENT = 20.0
"""Seconds that no test lasts: what ends earlier did not end by its timeout."""
BRIEF = 0.2


class Transport(Protocol):
    async def send(self, request: HttpRequest, *, timeout_seconds: float) -> HttpResponse: ...

    async def close(self) -> None: ...


class Stage(Protocol):
    """A transport and an ESP whose behaviour a test arranges."""

    transport: Transport
    url: str

    def arrived(self) -> list[tuple[str, bytes | None]]:
        """Method and body of what the ESP took in, in this order."""

    def will_answer(self, response: HttpResponse) -> None: ...

    def will_refuse_connections(self) -> None: ...

    def will_lose_the_answer(self) -> None:
        """It takes the request in and goes away."""

    def will_say_nothing(self) -> None: ...

    def will_wait(self) -> None:
        """It takes requests in and answers none before `goes_on`."""

    def goes_on(self) -> None: ...


class CurlStage:
    def __init__(self, server: RawServer) -> None:
        self.transport: Transport = CurlTransport(CurlOptions(user_agent="Espalier/test"))
        self.url = server.url()
        self._server = server
        self._gate = asyncio.Event()

    def arrived(self) -> list[tuple[str, bytes | None]]:
        return [
            (r.line.partition(" ")[0], None if r.header("content-length") is None else r.body)
            for r in self._server.received
        ]

    def will_answer(self, response: HttpResponse) -> None:
        headers = (*response.headers, ("Content-Length", str(len(response.body))))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"HTTP/1.1 {response.status} Whatever\r\n{lines}\r\n".encode()
        self._server.behaviour = answering(head + response.body)

    def will_refuse_connections(self) -> None:
        self._server.stop_listening()

    def will_lose_the_answer(self) -> None:
        self._server.behaviour = breaking_off_after(b"")

    def will_say_nothing(self) -> None:
        self._server.behaviour = say_nothing

    def will_wait(self) -> None:
        answer = self._server.behaviour

        async def wait(received: Received, connection: Connection) -> None:
            await self._gate.wait()
            await answer(received, connection)

        self._server.behaviour = wait

    def goes_on(self) -> None:
        self._gate.set()


class FakeStage:
    def __init__(self) -> None:
        self.url = "http://127.0.0.1:1/send"
        self._fake = FakeTransport()
        self.transport: Transport = self._fake

    def arrived(self) -> list[tuple[str, bytes | None]]:
        return [(request.method, request.body) for request in self._fake.requests]

    def will_answer(self, response: HttpResponse) -> None:
        self._fake.then(response)

    def will_refuse_connections(self) -> None:
        self._fake.then(NotSent("could not connect"))

    def will_lose_the_answer(self) -> None:
        self._fake.then(AnswerLost("the connection ended without an answer"))

    def will_say_nothing(self) -> None:
        self._fake.then(None)

    def will_wait(self) -> None:
        self._fake.hold()

    def goes_on(self) -> None:
        self._fake.release()


@pytest_asyncio.fixture(params=["curl", "fake"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    if request.param == "fake":
        yield FakeStage()
        return
    async with raw_server() as server:
        curl_stage = CurlStage(server)
        yield curl_stage
        await curl_stage.transport.close()


def post(stage: Stage, body: bytes = b'{"to":"ann@example.com"}') -> HttpRequest:
    headers = (("Content-Type", "application/json"),)
    return HttpRequest(method="POST", url=stage.url, headers=headers, body=body)


def get(stage: Stage) -> HttpRequest:
    return HttpRequest(method="GET", url=f"{stage.url}?to=ann%40example.com")


async def test_the_answer_comes_back_whole(stage: Stage) -> None:
    headers = (("Content-Type", "application/json"), ("X-Message-Id", "m-1"))
    stage.will_answer(HttpResponse(status=202, headers=headers, body=b'{"id":"m-1"}'))

    response = await stage.transport.send(post(stage), timeout_seconds=PATIENT)

    assert (response.status, response.body, response.truncated) == (202, b'{"id":"m-1"}', False)
    assert response.header("x-message-id") == "m-1"
    assert response.header("content-type") == "application/json"


async def test_the_body_of_a_post_arrives_byte_for_byte(stage: Stage) -> None:
    body = bytes(range(256)) * 4096

    await stage.transport.send(post(stage, body), timeout_seconds=PATIENT)

    assert stage.arrived() == [("POST", body)]


async def test_a_post_may_have_an_empty_body(stage: Stage) -> None:
    await stage.transport.send(post(stage, b""), timeout_seconds=PATIENT)

    assert stage.arrived() == [("POST", b"")]


async def test_a_get_arrives_without_a_body(stage: Stage) -> None:
    await stage.transport.send(get(stage), timeout_seconds=PATIENT)

    assert stage.arrived() == [("GET", None)]


async def test_posts_and_gets_may_alternate(stage: Stage) -> None:
    for request in (post(stage, b"1"), get(stage), post(stage, b"2"), get(stage)):
        await stage.transport.send(request, timeout_seconds=PATIENT)

    assert stage.arrived() == [("POST", b"1"), ("GET", None), ("POST", b"2"), ("GET", None)]


@pytest.mark.parametrize("status", [200, 400, 401, 408, 417, 429, 500, 503])
async def test_every_final_status_is_an_answer_and_no_error(stage: Stage, status: int) -> None:
    stage.will_answer(HttpResponse(status=status, headers=(("Retry-After", "7"),), body=b"why"))

    response = await stage.transport.send(post(stage), timeout_seconds=PATIENT)

    assert (response.status, response.header("retry-after")) == (status, "7")
    assert len(stage.arrived()) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(stage: Stage, status: int) -> None:
    stage.will_answer(HttpResponse(status=status, headers=(("Location", stage.url),)))

    response = await stage.transport.send(post(stage), timeout_seconds=PATIENT)

    assert (response.status, response.header("Location")) == (status, stage.url)
    assert len(stage.arrived()) == 1


async def test_a_refused_connection_is_not_sent(stage: Stage) -> None:
    stage.will_refuse_connections()

    with pytest.raises(NotSent, match="could not connect"):
        await stage.transport.send(post(stage), timeout_seconds=PATIENT)

    assert stage.arrived() == []


@pytest.mark.parametrize("make", [post, get])
async def test_a_lost_answer_is_in_doubt_and_the_request_went_out_once(
    stage: Stage, make: Callable[[Stage], HttpRequest]
) -> None:
    stage.will_lose_the_answer()

    with pytest.raises(AnswerLost, match="without an answer"):
        await stage.transport.send(make(stage), timeout_seconds=PATIENT)

    assert len(stage.arrived()) == 1


async def test_a_server_that_says_nothing_is_given_up_and_the_request_in_doubt(
    stage: Stage,
) -> None:
    stage.will_say_nothing()

    with pytest.raises(AnswerLost, match=r"no complete answer.* within 0\.2 s"):
        await stage.transport.send(post(stage), timeout_seconds=BRIEF)

    assert len(stage.arrived()) == 1


async def test_the_transport_serves_the_next_request_after_a_lost_answer(stage: Stage) -> None:
    stage.will_lose_the_answer()
    with pytest.raises(AnswerLost):
        await stage.transport.send(post(stage), timeout_seconds=PATIENT)
    stage.will_answer(HttpResponse(status=202))

    response = await stage.transport.send(post(stage), timeout_seconds=PATIENT)

    assert response.status == 202


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Name", "Ann\r\nBcc: eve@example.com"),
        ("X-Name", "Ann\nBcc: eve@example.com"),
        ("X-Name", "Ann\0"),
        ("X-Name", "Ånn"),
        ("X-Name: Ann\r\nBcc", "eve@example.com"),
        ("", "Ann"),
        ("Content-Length", "3"),
        ("transfer-encoding", "chunked"),
    ],
)
async def test_a_header_that_http_cannot_carry_is_refused_before_anything_is_sent(
    stage: Stage, name: str, value: str
) -> None:
    request = HttpRequest(method="POST", url=stage.url, headers=((name, value),), body=b"")

    with pytest.raises(ValueError, match="header"):
        await stage.transport.send(request, timeout_seconds=PATIENT)

    assert stage.arrived() == []


async def test_requests_that_are_under_way_together_get_an_answer_each(stage: Stage) -> None:
    sends = [
        stage.transport.send(post(stage, b"%d" % i), timeout_seconds=PATIENT) for i in range(200)
    ]

    responses = await asyncio.gather(*sends)

    assert len(responses) == 200
    assert sorted(int(body or b"-1") for _, body in stage.arrived()) == list(range(200))


async def test_a_cancelled_wait_harms_no_other_request(stage: Stage) -> None:
    stage.will_wait()
    cancelled = asyncio.create_task(stage.transport.send(post(stage), timeout_seconds=PATIENT))
    await eventually(lambda: len(stage.arrived()) == 1)
    other = asyncio.create_task(stage.transport.send(post(stage), timeout_seconds=PATIENT))
    await eventually(lambda: len(stage.arrived()) == 2)

    cancelled.cancel()
    stage.goes_on()

    assert (await other).status < 300
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_close_waits_for_what_is_in_flight(stage: Stage) -> None:
    stage.will_wait()
    in_flight = asyncio.create_task(stage.transport.send(post(stage), timeout_seconds=PATIENT))
    await eventually(lambda: len(stage.arrived()) == 1)

    closing = asyncio.create_task(stage.transport.close())
    with pytest.raises(NotSent, match="closed"):
        await _send_once_closing(stage)
    stage.goes_on()
    await closing

    assert in_flight.done()
    assert (await in_flight).status < 300
    assert len(stage.arrived()) == 1


async def test_after_close_nothing_is_sent(stage: Stage) -> None:
    await stage.transport.send(post(stage), timeout_seconds=PATIENT)
    await stage.transport.close()

    with pytest.raises(NotSent, match="closed"):
        await stage.transport.send(post(stage), timeout_seconds=PATIENT)

    assert len(stage.arrived()) == 1


@pytest.mark.parametrize("sends", [0, 1])
async def test_close_may_be_called_again(stage: Stage, sends: int) -> None:
    for _ in range(sends):
        await stage.transport.send(post(stage), timeout_seconds=PATIENT)

    await asyncio.gather(stage.transport.close(), stage.transport.close())
    await stage.transport.close()

    assert len(stage.arrived()) == sends


async def _send_once_closing(stage: Stage) -> None:
    # The task that closes has had its first turn when this one is asked for the second time.
    await asyncio.sleep(0)
    await stage.transport.send(post(stage), timeout_seconds=PATIENT)
