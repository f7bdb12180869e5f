"""What expressions find in an event, as values that can be stored: never an error."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from domain.callback import CallbackType
from domain.webhook_mapping import TimestampUnit, TypeRule

# What an ESP's diagnosis of a bounce needs, and an SMTP conversation does not exceed by much.
MAX_TEXT = 2_000
# Longer than any address, type or id.
MAX_NAME = 512
_LONGEST_TIME = 64


def text_of(value: Any, longest: int = MAX_NAME) -> str:
    """Text and numbers as text; "" of anything else. Holds nothing that UTF-8 or SQL may not."""
    if type(value) is int or type(value) is float:
        value = orjson.dumps(value).decode() if -(2**63) <= value < 2**64 else repr(value)
    elif value is True or value is False:
        value = "true" if value else "false"
    if not isinstance(value, str) or not value:
        return ""
    text = value[:longest]
    if text.isascii() and "\0" not in text:
        return text
    # An expression may hold the half of a surrogate pair, and JSON a NUL.
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")


def time_of(value: Any, unit: TimestampUnit) -> float | None:
    """Epoch seconds; None where it is no time. Whether it can be true is another question."""
    try:
        if unit is TimestampUnit.ISO:
            return _iso(value)
        seconds = None if isinstance(value, bool) or value is None else float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if seconds is None or unit is TimestampUnit.SECONDS:
        return seconds
    return seconds / 1000.0


def _iso(value: Any) -> float | None:
    if not isinstance(value, str) or len(value) > _LONGEST_TIME:
        return None
    moment = datetime.fromisoformat(value.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class TypeTable:
    """The ESP's types to ours: the first rule that fits counts; none is UNKNOWN."""

    def __init__(self, rules: Sequence[TypeRule]) -> None:
        self._rules = tuple(rules)
        self._known: dict[str, CallbackType] = {}

    def type_of(self, said: str) -> CallbackType:
        known = self._known.get(said)
        return self._look_up(said) if known is None else known

    def _look_up(self, said: str) -> CallbackType:
        fitting = (rule.type for rule in self._rules if fits(rule.pattern, said))
        found = next(fitting, CallbackType.UNKNOWN)
        # ESPs have some dozens; only a stranger sends more.
        if len(self._known) < _REMEMBERED_TYPES:
            self._known[said] = found
        return found


_REMEMBERED_TYPES = 1_000


def fits(pattern: str, text: str) -> bool:
    """`*` is any text and `?` any character; time is bounded by the product of the lengths."""
    at = place = 0
    star, resumed = -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, resumed = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            at, place = at + 1, place + 1
        elif star >= 0:
            # The last star takes one character more.
            resumed += 1
            at, place = resumed, star + 1
        else:
            return False
    return not pattern[place:].strip("*")
