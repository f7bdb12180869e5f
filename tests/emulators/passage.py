"""A server that hands every request on as it is, and keeps it: an emulator tells only a part."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from tests.adapters.transport_server import Received

# These are about one connection, not about the request; aiohttp writes its own.
_OF_A_CONNECTION = frozenset({"host", "connection", "content-length", "transfer-encoding"})


@dataclass(slots=True)
class Passage:
    """`url` leads to the emulator; `requests` are in the order in which they came."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)


@asynccontextmanager
async def passage_to(url: str) -> AsyncIterator[Passage]:
    passage = Passage()
    async with aiohttp.ClientSession(url) as session:

        async def hand_on(request: web.BaseRequest) -> web.Response:
            received = await _received(request, turn=len(passage.requests))
            passage.requests.append(received)
            kept = [(k, v) for k, v in received.headers if k.lower() not in _OF_A_CONNECTION]
            async with session.request(
                request.method, request.rel_url, headers=kept, data=received.body
            ) as answer:
                return web.Response(
                    status=answer.status,
                    body=await answer.read(),
                    content_type=answer.content_type,
                )

        server = web.Server(hand_on)
        runner = web.ServerRunner(server)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            passage.url = f"http://{host}:{port}"
            yield passage
        finally:
            await runner.cleanup()


async def _received(request: web.BaseRequest, *, turn: int) -> Received:
    return Received(
        line=f"{request.method} {request.raw_path} HTTP/1.1",
        headers=tuple(request.headers.items()),
        body=await request.read(),
        connection=0,
        turn=turn,
    )
