"""The public callback URL: `POST /callbacks/{token}`, where ESPs report what became of messages.

The token in the path is what admits a caller, so the path must not be logged.

This is where millions of requests come in, each with one event: it is a handler of aiohttp's bare
server, since the routes of an application cost as much as all that is done here.
"""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from time import time
from typing import Any

import orjson
from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from structlog.typing import FilteringBoundLogger

from domain.callback import MAX_BODY_BYTES, BadCallback, CallbackFault, Incomplete
from domain.errors import TryLater
from domain.provider import Provider
from entrypoints.backlog import Backlog, Overloaded, Room
from entrypoints.webhooks import OVERLOAD_RETRY_SECONDS, Webhooks, later
from services.find_callback_provider import FindCallbackProvider
from services.record_callback import RecordCallback

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

PREFIX = "/callbacks/"
# Nothing else can be a token, and what a database may choke on (NUL) never reaches it.
_TOKEN = re.compile(r"([A-Za-z0-9_-]{1,64})(?:\?.*)?")
_HEADERS = {"Content-Type": "application/json; charset=utf-8"}
# How long a body may take to arrive. It takes up room meanwhile.
_BODY_SECONDS = 30.0


class Callbacks:
    """The handler of a server; what is no callback is left to `elsewhere`."""

    def __init__(
        self,
        find_provider: FindCallbackProvider,
        record: RecordCallback,
        *,
        elsewhere: Handler,
        backlog: Backlog,
        log: FilteringBoundLogger,
        webhooks: Webhooks | None = None,
        body_seconds: float = _BODY_SECONDS,
    ) -> None:
        self._find_provider = find_provider
        self._record = record
        self._elsewhere = elsewhere
        self._backlog = backlog
        self._body_seconds = body_seconds
        self._log = log
        self._webhooks = webhooks

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if not request.raw_path.startswith(PREFIX):
            return await self._elsewhere(request)
        if request.method != "POST":
            return await self._without_body(request)
        room = Room(self._backlog)
        try:
            return await self._take_in(request, room)
        except BadCallback as error:
            return _json(error.answer(), status=400)
        except Overloaded:
            return await self._shed(request)
        except TryLater as error:
            # The ESP is told nothing of the cause, and may give up before anybody looks.
            self._log.warning("a callback could not be stored", exc_info=error)
            return later(max(1, math.ceil(error.retry_after_seconds)))
        finally:
            room.leave()

    async def _take_in(self, request: web.BaseRequest, room: Room) -> web.StreamResponse:
        content = request.content
        # Nearly every body comes whole along with its head.
        is_here = content.is_eof() and content.exception() is None
        body = content.read_nowait() if is_here else b""
        # What is too long is told below, whether there is room for it or not.
        room.make(min(len(body) or request.content_length or 0, MAX_BODY_BYTES))
        rest = request.raw_path[len(PREFIX) :]
        provider = self._find_provider.known(rest) or await self._find(rest)
        if provider is None:
            return _not_there()
        if provider.config.webhook is not None and self._webhooks is not None:
            arriving = _here(body) if is_here else self._arriving(request, room)
            return await self._webhooks.take(provider, provider.config.webhook, request, arriving)
        if not is_here:
            body = await self._arriving(request, room)
        answer = orjson.dumps(await self._record(provider, body))
        if request.version == HttpVersion11 and request.keep_alive:
            return Stored(request, answer)
        return web.Response(body=answer, headers=_HEADERS)

    async def _arriving(self, request: web.BaseRequest, room: Room) -> bytes:
        """The body, of which no more is ever held than the limit and one piece."""
        try:
            async with asyncio.timeout(self._body_seconds):
                return await _read(request, room)
        except TimeoutError:
            problem = f"did not arrive within {self._body_seconds:g} s"
            raise Incomplete([CallbackFault(path="body", problem=problem)]) from None
        except (web.RequestPayloadError, ConnectionError) as error:
            # Also where the caller hung up, who then hears nothing of it.
            raise _bad_body("does not arrive as its headers say") from error

    async def _without_body(self, request: web.BaseRequest) -> web.StreamResponse:
        """ESPs ask so whether a URL is there before they use it, and some report so."""
        if request.method not in ("GET", "HEAD") or self._webhooks is None:
            return _not_allowed()
        try:
            provider = await self._find(request.raw_path[len(PREFIX) :])
        except TryLater as error:
            self._log.warning("a callback URL could not be looked up", exc_info=error)
            return later(max(1, math.ceil(error.retry_after_seconds)))
        mapping = None if provider is None else provider.config.webhook
        if provider is None or mapping is None:
            return _not_allowed()
        return await self._webhooks.without_body(provider, mapping, request)

    async def _shed(self, request: web.BaseRequest) -> web.StreamResponse:
        """There is no room for it; some ESPs come again for one status alone."""
        with suppress(TryLater):
            provider = await self._find(request.raw_path[len(PREFIX) :])
            if provider is not None and provider.config.webhook is not None:
                return later(OVERLOAD_RETRY_SECONDS, provider.config.webhook.answers.overloaded)
        return later(OVERLOAD_RETRY_SECONDS)

    async def _find(self, rest: str) -> Provider | None:
        """By the rest of the path: a token, and maybe a query."""
        token = _TOKEN.fullmatch(rest)
        return None if token is None else await self._find_provider(token[1])


class Stored(web.StreamResponse):
    """The 200 that nearly every callback is answered with, on a connection that stays.

    Its head is always the same: to let aiohttp make one up each time takes a tenth of all the time.
    """

    def __init__(self, request: web.BaseRequest, body: bytes) -> None:
        # None of what a response has is needed here; it is sent as it stands.
        self._writer = request.writer
        self._said = b"%bContent-Length: %d\r\n\r\n%b" % (_head(int(time())), len(body), body)

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, _: web.BaseRequest) -> AbstractStreamWriter:
        return self._writer

    async def write_eof(self, _: bytes = b"") -> None:
        await self._writer.write(self._said)


@lru_cache(maxsize=1)
def _head(second: int) -> bytes:
    date = formatdate(second, usegmt=True)
    kind = "application/json; charset=utf-8"
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nDate: {date}\r\n".encode()


async def _here(body: bytes) -> bytes:
    return body


async def _read(request: web.BaseRequest, room: Room) -> bytes:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise _too_long()
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # It is no part of the answer, whose head is written only where nothing was.
        request.writer.output_size = 0
    body = bytearray()
    while piece := await request.content.readany():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise _too_long()
        room.make(len(body))
    return bytes(body)


def _too_long() -> BadCallback:
    return _bad_body(f"is longer than {MAX_BODY_BYTES} bytes; send fewer events at a time")


def _bad_body(problem: str) -> BadCallback:
    return BadCallback([CallbackFault(path="body", problem=problem)])


def _not_allowed() -> web.Response:
    answer = _json({"error": "Callbacks are sent with POST."}, status=405)
    answer.headers["Allow"] = "POST"
    return answer


def _not_there() -> web.Response:
    return _json({"error": "There is no such callback URL."}, status=404)


def _json(answer: dict[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(answer), status=status, headers=_HEADERS)
