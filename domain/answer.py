"""What an ESP's answer says of the messages of its request, read as the provider describes it.

What cannot be read is never taken for a refusal. A 2xx whose `success` is not true is one only
where its body is JSON. Of any other body, and where the list is missing without which nothing is
known of the messages, the answer is IN_DOUBT: they are not sent again by themselves, whatever the
campaign's guarantee is, since a 2xx speaks for their having left. A callback tells, or an operator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from domain.answer_mapping import AnswerMapping, AnswerOutcome, AnswerRule
from domain.answer_parts import (
    Addressed,
    Part,
    PartReader,
    Scope,
    as_id,
    compiled,
    is_true,
    optional,
    unlisted_outcome,
)
from domain.answer_wait import hinted_seconds
from domain.expressions import Expression
from domain.http import HttpResponse
from domain.retry import Outcome, classify, retry_after

PLAIN = AnswerMapping()
_OUTCOMES: Mapping[AnswerOutcome, Outcome] = {each: Outcome(each.value) for each in AnswerOutcome}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an answer has come to.

    `outcome` holds for all messages of the request; where it is PARTLY, `parts` says what became of
    each, in their order. `esp_ids` are what the ESP calls messages that it took, by ordinal.
    `wait_seconds` is how long the ESP wants to be left alone, where something is to be sent again.
    """

    outcome: Outcome
    parts: Sequence[Part] = ()
    esp_ids: Mapping[int, str] = field(default_factory=dict)
    wait_seconds: float | None = None


TAKEN = Verdict(outcome=Outcome.ACCEPTED)


def is_success(answer: HttpResponse) -> bool:
    return 200 <= answer.status < 300


def read_answer(
    mapping: AnswerMapping, answer: HttpResponse, messages: Sequence[Addressed], *, now: float
) -> Verdict:
    """What `answer` says of these messages, which its request carried in this order.

    `now` is in epoch seconds. Never raises, whatever the answer is.
    """
    if mapping == PLAIN:
        return _by_status(answer, len(messages), now)
    return _reader(mapping).read(answer, messages, now)


def _by_status(answer: HttpResponse, messages: int, now: float) -> Verdict:
    outcome = classify(answer.status, messages=messages)
    wait = _standard_wait(answer, now) if outcome is Outcome.RETRY else None
    return Verdict(outcome=outcome, wait_seconds=wait)


# A worker sends through a few providers at a time.
@lru_cache(maxsize=64)
def _reader(mapping: AnswerMapping) -> "_Reader":
    return _Reader(mapping)


@dataclass(frozen=True, slots=True)
class _Rule:
    rule: AnswerRule
    when: Expression | None

    def fits(self, scope: Scope) -> bool:
        statuses = self.rule.statuses
        if statuses and scope["status"] not in statuses:
            return False
        return self.when is None or is_true(self.when, scope)


class _Reader:
    """A mapping with its expressions compiled."""

    def __init__(self, mapping: AnswerMapping) -> None:
        self._mapping = mapping
        self._success = optional(mapping.success)
        self._rules = [_Rule(rule, optional(rule.when)) for rule in mapping.rules]
        self._message_id = optional(mapping.message_id)
        self._parts = PartReader(mapping.items) if mapping.items else None
        self._waits = [(compiled(wait.at), wait.unit) for wait in mapping.waits]

    def read(self, answer: HttpResponse, messages: Sequence[Addressed], now: float) -> Verdict:
        scope, is_garbage = _scope(answer)
        outcome, may_have_parts = self._whole(answer, scope, is_garbage, len(messages))
        parts: Sequence[Part] = ()
        if may_have_parts:
            outcome, parts = self._by_part(answer, scope, is_garbage, messages, outcome)
        again = outcome is Outcome.RETRY or any(p.outcome is Outcome.RETRY for p in parts)
        return Verdict(
            outcome=outcome,
            parts=parts if outcome is Outcome.PARTLY else (),
            esp_ids=self._ids(scope, outcome, parts, messages),
            wait_seconds=self._wait(answer, scope, now) if again else None,
        )

    def _whole(
        self, answer: HttpResponse, scope: Scope, is_garbage: bool, messages: int
    ) -> tuple[Outcome, bool]:
        """What became of the request, and whether its parts may say more."""
        rule = next((each.rule for each in self._rules if each.fits(scope)), None)
        if rule is not None:
            outcome = _OUTCOMES[rule.outcome]
            if outcome is Outcome.HALVE and messages <= 1:
                outcome = Outcome.REFUSED
            return outcome, outcome is Outcome.ACCEPTED
        if not is_success(answer):
            items = self._mapping.items
            lists = items is not None and answer.status in items.also_statuses
            return classify(answer.status, messages=messages), lists
        if self._success is None or is_true(self._success, scope):
            return Outcome.ACCEPTED, True
        says_so = not is_garbage and scope["text"].strip() != ""
        return Outcome.REFUSED if says_so else Outcome.IN_DOUBT, False

    def _by_part(
        self,
        answer: HttpResponse,
        scope: Scope,
        is_garbage: bool,
        messages: Sequence[Addressed],
        whole: Outcome,
    ) -> tuple[Outcome, Sequence[Part]]:
        items = self._mapping.items
        if self._parts is None or items is None:
            return whole, ()
        is_taken = whole is Outcome.ACCEPTED
        if is_garbage:
            return Outcome.IN_DOUBT if is_taken else whole, ()
        unlisted = unlisted_outcome(items, is_success=is_taken)
        parts = self._parts.read(scope, messages, unlisted=unlisted)
        if parts is None:
            # Without a list nothing is known of messages that only a list says to be taken.
            is_open = is_taken and unlisted is not Outcome.ACCEPTED
            return Outcome.IN_DOUBT if is_open else whole, ()
        is_whole = all(part.outcome is Outcome.ACCEPTED for part in parts)
        return Outcome.ACCEPTED if is_whole else Outcome.PARTLY, parts

    def _ids(
        self,
        scope: Scope,
        outcome: Outcome,
        parts: Sequence[Part],
        messages: Sequence[Addressed],
    ) -> Mapping[int, str]:
        if outcome not in (Outcome.ACCEPTED, Outcome.PARTLY):
            return {}
        shared = as_id(self._message_id.search(scope)) if self._message_id else ""
        taken = parts or [Part(ordinal, Outcome.ACCEPTED) for ordinal, _ in messages]
        ids = {p.ordinal: p.esp_id or shared for p in taken if p.outcome is Outcome.ACCEPTED}
        return {ordinal: esp_id for ordinal, esp_id in ids.items() if esp_id}

    def _wait(self, answer: HttpResponse, scope: Scope, now: float) -> float | None:
        for at, unit in self._waits:
            seconds = hinted_seconds(at.search(scope), unit, now=now)
            if seconds is not None:
                return seconds
        return _standard_wait(answer, now)


def _standard_wait(answer: HttpResponse, now: float) -> float | None:
    return retry_after(answer.header("Retry-After") or "", now=now)


def _scope(answer: HttpResponse) -> tuple[Scope, bool]:
    """What expressions see, and whether there is a body that is no JSON."""
    text = answer.body.decode("utf-8", "replace")
    body, is_garbage = _json(answer.body)
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        headers.setdefault(name.lower(), value)
    scope = {"status": answer.status, "headers": headers, "body": body, "text": text}
    return scope, is_garbage


def _json(body: bytes) -> tuple[Any, bool]:
    """JSON that was cut off is none."""
    if not body.strip():
        return None, False
    try:
        return orjson.loads(body), False
    except orjson.JSONDecodeError:
        return None, True
