"""Deciding on a request that has been read: what is accepted, and what is answered."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from entrypoints.simulated_esp.answers import (
    Answer,
    KeyReused,
    accepted,
    partly_accepted,
    refusal,
)
from entrypoints.simulated_esp.faults import Fault
from entrypoints.simulated_esp.ledger import SeenMessage
from entrypoints.simulated_esp.outcomes import asks_to_be_rejected, draws
from entrypoints.simulated_esp.payload import Message, MessageFinder, PayloadError
from entrypoints.simulated_esp.state import EspState

# What a kept message takes besides its text.
_OBJECT_BYTES = 256
_FORM = "application/x-www-form-urlencoded"


class Acceptance:
    """Decides at once, without waiting, so that no two requests get in each other's way."""

    def __init__(self, state: EspState) -> None:
        self._state = state
        self._finder = MessageFinder(state.settings.meta_keys, state.settings.to_keys)
        self._authorization = state.settings.authorization

    def decide(self, request: web.BaseRequest, body: bytes, fault: Fault, key: str) -> Answer:
        """Return the answer, after counting and planning all that it stands for.

        `key` is the request's idempotency key, or "".
        """
        refused = self._refused_unread(request, fault)
        if refused is not None:
            return refused
        if key and self._state.behaviour.idempotent:
            return self._accepted_once(request, body, fault, key)
        return self._accepted(request, body, fault)

    def _refused_unread(self, request: web.BaseRequest, fault: Fault) -> Answer | None:
        if request.method not in ("POST", "GET"):
            allow = ("Allow", "GET, POST")
            return refusal(405, f"{request.method} is not taken here: use POST or GET", allow)
        if self._authorization is not None:
            given = request.headers.get("Authorization", "")
            if not hmac.compare_digest(_bytes(given), _bytes(self._authorization)):
                basic = ("WWW-Authenticate", 'Basic realm="simulated ESP"')
                return refusal(401, "the user name or the password is missing or wrong", basic)
        if fault.status is not None and fault.status >= 300:
            return _told(fault.status, fault.retry_after)
        return None

    def _accepted_once(
        self, request: web.BaseRequest, body: bytes, fault: Fault, key: str
    ) -> Answer:
        # A GET has no body, so its path and query stand in for it.
        content = body or request.path_qs.encode()
        try:
            first = self._state.answers.find(key, content)
        except KeyReused:
            self._state.ledger.idempotency_conflicts += 1
            return refusal(409, "the idempotency key came before with another content")
        if first is not None:
            self._state.ledger.idempotent_repeats += 1
            return first
        answer = self._accepted(request, body, fault)
        if answer.status < 300:
            self._state.answers.keep(key, content, answer)
        return answer

    def _accepted(self, request: web.BaseRequest, body: bytes, fault: Fault) -> Answer:
        try:
            messages = self._finder.find(_document(request, body))
        except PayloadError as error:
            return refusal(400, str(error))
        refused = self._refused_indexes(messages, fault)
        if refused and not (self._state.behaviour.faults.partial and len(messages) > 1):
            return self._refuse_all(messages, refused[0])
        if not self._state.poster.has_room_for(len(messages)):
            return refusal(429, "too many callbacks are waiting", ("Retry-After", "1"))
        if refused:
            return self._accept_partly(messages, frozenset(refused), len(body))
        self._accept(messages, len(body))
        return accepted(len(messages), fault.status or 200)

    def _refused_indexes(self, messages: Sequence[Message], fault: Fault) -> list[int]:
        behaviour = self._state.behaviour
        share = behaviour.faults.reject
        named = fault.fail.union(address.lower() for address in behaviour.faults.refuse)
        return [
            index
            for index, message in enumerate(messages)
            if (behaviour.address_rules and asks_to_be_rejected(message.address))
            or (named and message.address.lower() in named)
            or (share and draws(behaviour.seed, message.address).reject < share)
        ]

    def _refuse_all(self, messages: Sequence[Message], first: int) -> Answer:
        if len(messages) == 1:
            self._state.ledger.rejected += 1
        else:
            self._state.ledger.batches_refused += 1
        reason = f"message {first}: the address {messages[first].address} is refused"
        return refusal(self._state.behaviour.faults.refusal_status, reason)

    def _accept_partly(
        self, messages: Sequence[Message], refused: frozenset[int], size: int
    ) -> Answer:
        self._state.ledger.rejected += len(refused)
        self._accept([item for i, item in enumerate(messages) if i not in refused], size)
        return partly_accepted(messages, refused)

    def _accept(self, messages: Sequence[Message], size: int) -> None:
        self._state.ledger.accept(messages)
        self._state.poster.add(messages)
        keep = self._state.settings.keep
        for message in messages[-keep:] if keep else ():
            if message.meta is not None:
                weight = size // len(messages) + _OBJECT_BYTES
                self._state.messages.add(SeenMessage(message.meta, message.fields, weight))


def _bytes(header: str) -> bytes:
    return header.encode(errors="surrogateescape")


def _told(status: int, retry_after: str | None) -> Answer:
    headers: list[tuple[str, str]] = []
    if retry_after is not None:
        headers.append(("Retry-After", retry_after))
    if status < 400:
        # A client that follows it shows up among the requests with this path.
        headers.append(("Location", "/redirected"))
    return refusal(status, "the simulator was told to answer this", *headers)


def _document(request: web.BaseRequest, body: bytes) -> object:
    if request.method == "GET":
        return _first_values(request.query.items())
    # curl -d calls JSON a form, unless it is told otherwise.
    if request.content_type == _FORM and not body.lstrip().startswith((b"{", b"[")):
        return _first_values(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PayloadError(f"the body is no JSON: {error}") from error


def _first_values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in pairs:
        values.setdefault(name, value)
    return values
