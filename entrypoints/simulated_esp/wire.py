"""Reading requests and sending answers with aiohttp, also badly on purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import ClientError, web

from entrypoints.simulated_esp.answers import Answer

# What to await between two bytes.
Pause = Callable[[], Awaitable[None]]


class BodyTooLarge(Exception):
    """The request's body is longer than the simulator takes."""


class BrokenOff(Exception):
    """The client closed the connection, or sent what is no body, before the body's end."""


async def read_body(request: web.BaseRequest, limit: int) -> bytes:
    """Return the whole body. Raises BodyTooLarge and BrokenOff."""
    if "Expect" in request.headers and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    chunks: list[bytes] = []
    size = 0
    try:
        while chunk := await request.content.readany():
            size += len(chunk)
            if size > limit:
                raise BodyTooLarge
            chunks.append(chunk)
    except (ClientError, ConnectionError, web.RequestPayloadError) as error:
        raise BrokenOff from error
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def respond(answer: Answer) -> web.Response:
    response = web.Response(body=answer.body, status=answer.status, content_type="application/json")
    for name, value in answer.headers:
        response.headers[name] = value
    return response


def cut(request: web.BaseRequest) -> web.Response:
    """Close the connection at once, with nothing sent. aiohttp drops the response returned."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def drip(request: web.BaseRequest, answer: Answer, pause: Pause) -> web.Response:
    """Send the whole answer, head and all, one byte at a time, then close the connection."""
    transport = request.transport
    for byte in _raw(answer):
        if transport is None or transport.is_closing():
            break
        transport.write(bytes((byte,)))
        await pause()
    if transport is not None:
        transport.close()
    return web.Response()


def _raw(answer: Answer) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {_phrase(answer.status)}",
        "Content-Type: application/json",
        f"Content-Length: {len(answer.body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in answer.headers),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
