"""The public callback URL: `POST /callbacks/{token}`, where ESPs report what became of messages.

The token in the path is what admits a caller, so the path must not be logged.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from domain.callback import MAX_BODY_BYTES, BadCallback, CallbackFault
from domain.errors import TryLater
from domain.provider import Provider
from services.record_callback import RecordCallback

FindProvider = Callable[[str], Awaitable[Provider | None]]

# Nothing else can be a token, and what a database may choke on (NUL) never reaches it.
_PATH = r"/callbacks/{token:[A-Za-z0-9_-]{1,64}}"


def callback_app(
    find_provider: FindProvider, record: RecordCallback, *, log: FilteringBoundLogger
) -> web.Application:
    """An application to run with `access_log=None`; `find_provider` takes the callback token."""

    async def post(request: web.Request) -> web.Response:
        try:
            provider = await find_provider(request.match_info["token"])
            if provider is None:
                return _json({"error": "There is no such callback URL."}, status=404)
            return _json(await record(provider, await _body(request)))
        except BadCallback as error:
            return _json(error.answer(), status=400)
        except TryLater as error:
            # The ESP is told nothing of the cause, and may give up before anybody looks.
            log.warning("a callback could not be stored", exc_info=error)
            return _try_later(error)

    app = web.Application()
    app.router.add_post(_PATH, post)
    return app


async def _body(request: web.Request) -> bytes:
    """The body, of which no more is ever held than the limit and one piece."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise _bad_body(f"is longer than {MAX_BODY_BYTES} bytes; send fewer events at a time")
    body = bytearray()
    try:
        while piece := await request.content.readany():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                break
    except web.RequestPayloadError as error:
        raise _bad_body("does not arrive as its headers say") from error
    if len(body) > MAX_BODY_BYTES:
        raise _bad_body(f"is longer than {MAX_BODY_BYTES} bytes; send fewer events at a time")
    return bytes(body)


def _bad_body(problem: str) -> BadCallback:
    return BadCallback([CallbackFault(path="body", problem=problem)])


def _try_later(error: TryLater) -> web.Response:
    seconds = max(1, math.ceil(error.retry_after_seconds))
    answer = _json({"error": "Not stored. Send the same request again later."}, status=503)
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _json(answer: dict[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(
        body=orjson.dumps(answer), status=status, content_type="application/json", charset="utf-8"
    )
