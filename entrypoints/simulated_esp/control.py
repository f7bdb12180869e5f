"""The control endpoints below `/_simulator/`, for tests and for people.

    GET  /_simulator/counts          all counts
    GET  /_simulator/messages?meta=ID    how often an id was accepted, and its last payload
    POST /_simulator/messages        for a JSON array of ids: how often each was accepted
    GET  /_simulator/requests?last=N     the last N requests whole, headers and body too
    GET  /_simulator/behaviour       how it behaves
    PUT  /_simulator/behaviour       change parts of that: {"faults": {"throttle": 0.1}}
    POST /_simulator/reset           counts, kept requests and waiting callbacks start anew

They ask for no password, and what is kept holds the headers as they came: keep the simulator on
the loopback interface, or behind one's own wall.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from entrypoints.simulated_esp.answers import Answer, refusal
from entrypoints.simulated_esp.behaviour import BehaviourError
from entrypoints.simulated_esp.ledger import SeenRequest
from entrypoints.simulated_esp.state import EspState
from entrypoints.simulated_esp.wire import BodyTooLarge, BrokenOff, cut, read_body, respond

PREFIX = "/_simulator/"
_DEFAULT_LAST = 20


class Control:
    """Answers the control endpoints; none of this is counted as a provider's request."""

    def __init__(self, state: EspState) -> None:
        self._state = state
        self._endpoints: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[Answer]]] = {
            ("GET", "counts"): self._counts,
            ("GET", "messages"): self._message,
            ("POST", "messages"): self._times_accepted,
            ("GET", "requests"): self._requests,
            ("GET", "behaviour"): self._behaviour,
            ("PUT", "behaviour"): self._behave,
            ("POST", "reset"): self._reset,
        }

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        endpoint = self._endpoints.get((request.method, request.path.removeprefix(PREFIX)))
        if endpoint is None:
            return respond(self._unknown(request))
        try:
            return respond(await endpoint(request))
        except BrokenOff:
            return cut(request)
        except BodyTooLarge:
            return respond(refusal(413, "the body is too long", ("Connection", "close")))
        except BehaviourError as error:
            return respond(refusal(400, str(error)))

    def _unknown(self, request: web.BaseRequest) -> Answer:
        there_are = ", ".join(f"{method} {PREFIX}{name}" for method, name in self._endpoints)
        return refusal(404, f"no {request.method} {request.path}; there are {there_are}")

    async def _counts(self, _: web.BaseRequest) -> Answer:
        return _json(self._state.counts())

    async def _message(self, request: web.BaseRequest) -> Answer:
        meta = request.query.get("meta", "")
        if not meta:
            return refusal(400, f"say which message: {PREFIX}messages?meta=ID")
        newest = self._state.messages.newest_first()
        last = next((kept.fields for kept in newest if kept.meta == meta), None)
        times = self._state.ledger.times_accepted(meta)
        return _json({"meta": meta, "accepted": times, "last": last})

    async def _times_accepted(self, request: web.BaseRequest) -> Answer:
        metas = await self._body(request)
        if not isinstance(metas, list) or not all(isinstance(meta, str) for meta in metas):
            raise BehaviourError("the body", "must be a JSON array of message ids")
        return _json({"accepted": [self._state.ledger.times_accepted(meta) for meta in metas]})

    async def _requests(self, request: web.BaseRequest) -> Answer:
        text = request.query.get("last", str(_DEFAULT_LAST))
        if not text.isdecimal():
            return refusal(400, f"last is {text!r}: it must be a number of requests")
        kept = self._state.requests.last(int(text))
        return _json({"requests": [_shown(seen) for seen in kept]})

    async def _behaviour(self, _: web.BaseRequest) -> Answer:
        return _json(self._state.behaviour)

    async def _behave(self, request: web.BaseRequest) -> Answer:
        changes = await self._body(request)
        self._state.behave(self._state.behaviour.changed(changes))
        return _json(self._state.behaviour)

    async def _reset(self, _: web.BaseRequest) -> Answer:
        self._state.reset()
        return _json(self._state.counts())

    async def _body(self, request: web.BaseRequest) -> object:
        body = await read_body(request, self._state.settings.max_body)
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BehaviourError("the body", f"is no JSON: {error}") from error


def _json(value: object) -> Answer:
    return Answer(200, orjson.dumps(value))


def _shown(seen: SeenRequest) -> dict[str, object]:
    return {
        "at": seen.at,
        "method": seen.method,
        "path": seen.path,
        "headers": [(name, _text(value)) for name, value in seen.headers.items()],
        "body": seen.body.decode("utf-8", "replace"),
        "status": seen.status,
    }


def _text(header: str) -> str:
    """Return a header's value with bytes that are no UTF-8 replaced."""
    return header.encode(errors="surrogateescape").decode(errors="replace")
