"""What the simulator answers, and the answers that it remembers by idempotency key."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import orjson

from entrypoints.simulated_esp.payload import Message

GARBAGE = b"\x00\xff<html>{]" + bytes(range(128, 160))


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the simulated ESP; `body` is JSON."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def accepted(number: int, status: int = 200) -> Answer:
    return Answer(status, b'{"status":"accepted","accepted":%d}' % number)


def refusal(status: int, reason: str, *headers: tuple[str, str]) -> Answer:
    # A reason may quote a header, and a header may hold bytes that are no text.
    text = reason.encode(errors="replace").decode()
    body = orjson.dumps({"status": "error", "reason": text})
    return Answer(status, body, headers)


def partly_accepted(messages: Sequence[Message], refused: Collection[int]) -> Answer:
    """Answer 200 with an outcome for each message, in the order of the request."""
    results = [
        {"index": index, "to": message.address, "meta": message.meta, **_outcome(index in refused)}
        for index, message in enumerate(messages)
    ]
    counts = {"accepted": len(messages) - len(refused), "rejected": len(refused)}
    return Answer(200, orjson.dumps({"status": "partial", **counts, "results": results}))


def _outcome(is_refused: bool) -> dict[str, str]:
    if is_refused:
        return {"status": "rejected", "reason": "the address is refused"}
    return {"status": "accepted"}


class KeyReused(Exception):
    """The idempotency key came before with another body."""


class AnswerStore:
    """First answers by idempotency key; beyond `limit` the oldest are forgotten.

    A key stands for one body: real ESPs refuse it with another, and so does this.
    """

    def __init__(self, limit: int = 200_000) -> None:
        self._limit = limit
        self._answers: OrderedDict[str, tuple[int, Answer]] = OrderedDict()

    def find(self, key: str, body: bytes) -> Answer | None:
        """Return the first answer, or None for a new key. Raises KeyReused."""
        stored = self._answers.get(key)
        if stored is None:
            return None
        digest, answer = stored
        if digest != _digest(body):
            raise KeyReused
        return answer

    def keep(self, key: str, body: bytes, answer: Answer) -> None:
        self._answers[key] = _digest(body), answer
        if len(self._answers) > self._limit:
            self._answers.popitem(last=False)

    def clear(self) -> None:
        self._answers.clear()


def _digest(body: bytes) -> int:
    # It tells an accident from a repeat; nobody attacks a simulator, and bodies may be large.
    return zlib.crc32(body) << 32 | len(body) & 0xFFFFFFFF
