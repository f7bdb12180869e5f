"""The sink for benchmarks, on real sockets."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from entrypoints.simulated_esp import Sink
from tests.support import eventually

ONE = {"to": "p@x.example", "mid": "m-1"}


async def test_the_sink_counts_requests_whatever_they_hold() -> None:
    async with Sink() as sink, aiohttp.ClientSession(sink.url) as client:
        for payload in (ONE, "no JSON object", 17):
            async with client.post("/", json=payload) as response:
                assert (response.status, await response.json()) == (200, {})
        async with client.get("/?to=a@x.example") as response:
            assert response.status == 200
        async with client.post("/", data=b"x" * 900_000) as response:
            assert response.status == 200
        async with client.get("/_simulator/counts") as response:
            counts = await response.json()

        assert counts["requests"] == {"requests": 5}
        assert counts["body_bytes"] > 900_000
        async with client.post("/_simulator/reset") as response:
            assert (await response.json())["requests"] == {"requests": 0}
        assert sink.requests == 0


async def talk(sink: Sink, *pieces: bytes) -> bytes:
    """Send the pieces each for itself, end the sending, and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sink.url.rsplit(":", 1)[1]))
    writer.transport.set_write_buffer_limits(0)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("size", [1, 7, 60, 10_000])
async def test_the_sink_finds_the_end_of_a_request_however_it_is_cut(size: int) -> None:
    requests = (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        b"POST / HTTP/1.1\r\ncontent-length:12\r\n\r\nGET / HTTP/1"
    )
    pieces = [requests[start : start + size] for start in range(0, len(requests), size)]
    async with Sink() as sink:
        answer = await talk(sink, *pieces)

        assert answer.count(b"HTTP/1.1 200 OK") == 3
        assert sink.requests == 3


@pytest.mark.parametrize(
    ("request_head", "answer"),
    [
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 411 "),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, b"HTTP/1.1 431 "),
        (b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", b"HTTP/1.1 100 "),
        (b"\r\n\r\n", b"HTTP/1.1 200 "),
    ],
)
async def test_the_sink_answers_what_is_unusual(request_head: bytes, answer: bytes) -> None:
    async with Sink() as sink:
        assert (await talk(sink, request_head)).startswith(answer)


async def test_a_sink_that_stops_closes_its_connections() -> None:
    async with Sink() as sink:
        port = int(sink.url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await eventually(lambda: sink.requests == 1)
        await sink.stop()

        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        writer.close()
        await writer.wait_closed()
