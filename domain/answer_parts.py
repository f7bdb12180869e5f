"""The parts of an answer that speak of single messages: which speaks of which, and what it says."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

import orjson

from domain.address import MAX_BYTES, address_key
from domain.answer_mapping import Alignment, AnswerItems, AnswerOutcome
from domain.expressions import BadExpression, Expression, compile_expression, is_false
from domain.retry import Outcome

Scope: TypeAlias = dict[str, Any]
"""What an expression of an answer sees (domain.answer_mapping)."""

Addressed: TypeAlias = tuple[int, str]
"""The ordinal of a message, and the address that it goes to."""


class Part(NamedTuple):
    """What became of one message: ACCEPTED, RETRY or REFUSED.

    `esp_id` is what the ESP calls it, `reason` why it was not taken; both may be empty.
    """

    ordinal: int
    outcome: Outcome
    esp_id: str = ""
    reason: str = ""


class _Found(NamedTuple):
    """A part as it stands in the answer, with its key where parts have keys."""

    key: str | None
    item: Any


class PartReader:
    """Reads the parts of answers as one mapping says."""

    def __init__(self, items: AnswerItems) -> None:
        self._items = items
        self._list = compiled(items.list)
        self._address, self._accepted = optional(items.address), optional(items.accepted)
        self._retry, self._id = optional(items.retry), optional(items.id)
        self._reason = optional(items.reason)

    def read(
        self, scope: Scope, messages: Sequence[Addressed], *, unlisted: Outcome
    ) -> Sequence[Part] | None:
        """A part for each message, in their order; None where the answer has no list of parts."""
        found = self._list.search(scope)
        aligned = self._aligned(found, scope, messages)
        if aligned is None:
            return None
        return [self._part(scope, message, aligned, unlisted) for message in enumerate(messages)]

    def _aligned(
        self, found: Any, scope: Scope, messages: Sequence[Addressed]
    ) -> Mapping[int, _Found] | None:
        """The parts by the places of their messages in the request. Of several the first counts."""
        if self._items.alignment is Alignment.KEY:
            if not isinstance(found, dict):
                return None
            return _by_address(self._named(scope, found.items()), messages)
        # An ESP that was sent one message may answer with its part alone.
        parts = [found] if isinstance(found, dict) else found
        if not isinstance(parts, list):
            return None
        if self._items.alignment is Alignment.INDEX:
            return {place: _Found(None, item) for place, item in enumerate(parts)}
        return _by_address(self._named(scope, zip(repeat(None), parts, strict=False)), messages)

    def _named(
        self, scope: Scope, parts: Iterable[tuple[str | None, Any]]
    ) -> Iterator[tuple[str, _Found]]:
        for index, (key, item) in enumerate(parts):
            address: Any = key
            if self._address is not None:
                own = {**scope, "item": item, "key": key, "index": index}
                address = self._address.search(own)
            if isinstance(address, str):
                yield address, _Found(key, item)

    def _part(
        self,
        scope: Scope,
        message: tuple[int, Addressed],
        aligned: Mapping[int, _Found],
        unlisted: Outcome,
    ) -> Part:
        place, (ordinal, _) = message
        found = aligned.get(place)
        if found is None:
            reason = "" if unlisted is Outcome.ACCEPTED else "the answer does not name it"
            return Part(ordinal, unlisted, reason=reason)
        own = {**scope, "item": found.item, "key": found.key, "index": place}
        esp_id = as_id(_search(self._id, own))
        if self._accepted is None or is_true(self._accepted, own):
            return Part(ordinal, Outcome.ACCEPTED, esp_id)
        may_later = self._retry is not None and is_true(self._retry, own)
        reason = as_text(_search(self._reason, own)) or as_text(found.item)
        return Part(ordinal, Outcome.RETRY if may_later else Outcome.REFUSED, esp_id, reason)


def compiled(text: str) -> Expression:
    """What is no expression finds nothing: an earlier version may have stored what rules refuse."""
    try:
        return compile_expression(text)
    except BadExpression:
        return compile_expression("`null`")


def optional(text: str) -> Expression | None:
    return compiled(text) if text else None


def is_true(expression: Expression, scope: Scope) -> bool:
    return not is_false(expression.search(scope))


def as_id(value: Any) -> str:
    """An ESP's id as text; empty where the value is none.

    A number with a fraction may have lost digits, and no database stores every character.
    """
    if isinstance(value, str):
        text = value.strip()
        return text if text.isprintable() else ""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def as_text(value: Any) -> str:
    """A text as it is, nothing for null, and JSON for all else."""
    if isinstance(value, str):
        return value
    try:
        return "" if value is None else orjson.dumps(value).decode()
    except TypeError:
        # Headers may hold bytes that are no text.
        return ""


def unlisted_outcome(items: AnswerItems, *, is_success: bool) -> Outcome:
    """What became of messages that no part speaks of.

    An answer that is no success has taken nothing that it does not name as taken.
    """
    if items.unlisted is AnswerOutcome.ACCEPTED:
        return Outcome.ACCEPTED if is_success else Outcome.RETRY
    return Outcome.RETRY if items.unlisted is AnswerOutcome.RETRY else Outcome.REFUSED


def _search(expression: Expression | None, scope: Scope) -> Any:
    return None if expression is None else expression.search(scope)


def _by_address(
    named: Iterable[tuple[str, _Found]], messages: Sequence[Addressed]
) -> Mapping[int, _Found]:
    by_key: dict[str, _Found] = {}
    for address, found in named:
        if len(address) <= MAX_BYTES:
            by_key.setdefault(address_key(address), found)
    keys = [address_key(address) for _, address in messages]
    return {place: by_key[key] for place, key in enumerate(keys) if key in by_key}
