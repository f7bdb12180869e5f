"""Placeholders, their grammar, and the values that stand in for them.

A placeholder is `$$` and a name, `[A-Za-z_][A-Za-z0-9_]*`, as long as it gets; names keep their
case. Whatever else looks like one (`$$5`, a lone `$$`) is text. Every text is read once, and a
value that was put in is never read again: it may hold quotes, line breaks or `$$To`.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

import orjson

from domain.campaign import JsonValue, Recipient
from domain.errors import Violation

MANDATORY = ("To", "Subject", "FromName", "FromAddress", "HTML")
BODIES = ("HTML", "Plaintext", "AMPHTML")
SYSTEM_NAMES = frozenset(
    {*MANDATORY, *BODIES, "MessageID", "cc", "bcc", "ReplyToAddress", "CampaignID"}
)

# The one custom name that a recipient's own field serves.
NAME = "name"

_PLACEHOLDER = re.compile(r"\$\$([A-Za-z_][A-Za-z0-9_]*)")

# Callers' numbers are doubles. Up to here each whole one is exact, and is written as an integer.
_EXACT = 2**53
_INTEGERS = range(-(2**63), 2**64)


class Placeholder(NamedTuple):
    """`form` is what the template of a provider asks of the value, as in `$$To.mailbox`."""

    name: str
    form: str = ""

    def __str__(self) -> str:
        return f"$${self.name}.{self.form}" if self.form else f"$${self.name}"


Part: TypeAlias = str | Placeholder


def parts(text: str) -> tuple[Part, ...]:
    """The text cut at its placeholders, in order, without empty pieces."""
    # With one group, split() alternates: text, name, text, name, text.
    pieces = _PLACEHOLDER.split(text)
    cut = (Placeholder(piece) if i % 2 else piece for i, piece in enumerate(pieces))
    return tuple(part for part in cut if part)


def placeholders(text: str) -> Iterator[str]:
    """The names of the placeholders that the text holds, each as often as it stands there."""
    return (match[1] for match in _PLACEHOLDER.finditer(text))


def system_name_like(name: str) -> str | None:
    """The system name that differs from this custom one only in case."""
    return None if name in SYSTEM_NAMES else _alike(name, SYSTEM_NAMES)


def as_text(value: JsonValue) -> str:
    """What a value becomes inside a longer string, in a header or in a query.

    A string stays as it is, null becomes nothing, a whole number has no `.0`, and lists and
    objects become compact JSON.
    """
    if isinstance(value, str):
        return value
    return "" if value is None else as_json(value).decode()


def as_json(value: JsonValue) -> bytes:
    """What a value becomes where it stands alone: JSON of its own type."""
    return orjson.dumps(value if isinstance(value, str) else _plain(value))


def own_value(recipient: Recipient, key: str, otherwise: JsonValue) -> JsonValue:
    """The recipient's own value of a custom key; `recipient.name` is the last one of these."""
    if key in recipient.replacements:
        return recipient.replacements[key]
    return recipient.name if key == NAME and recipient.name else otherwise


def missing(key: str, given: Iterable[str]) -> str:
    """The sentence for a custom key without a value, which names a key that differs in case."""
    alike = _alike(key, given)
    if alike is not None:
        return f"`{key}` is not given; `{alike}` is"
    return f"`{key}` is not given, neither with the recipient nor with the campaign"


def check(replacements: Mapping[str, JsonValue], field: str) -> list[Violation]:
    """The faults of one mapping of custom values; `field` is its path in the caller's request."""
    reserved = () if SYSTEM_NAMES.isdisjoint(replacements) else SYSTEM_NAMES & replacements.keys()
    violations = [_reserved(key, field) for key in sorted(reserved)]
    for key, value in replacements.items():
        # Nearly all values are strings, and a million recipients pass here.
        if type(value) is not str and not _is_json(value):
            violations.append(_not_json(key, field))
    return violations


def _reserved(key: str, field: str) -> Violation:
    message = f"the service itself gives `$${key}` its value; choose another key"
    return Violation(field=f"{field}.{key}", reason="SYSTEM_NAME", message=message)


def _not_json(key: str, field: str) -> Violation:
    message = "JSON has no such number; send it as a string, or a finite one of 64 bits"
    return Violation(field=f"{field}.{key}", reason="NUMBER_NOT_JSON", message=message)


def _alike(name: str, others: Iterable[str]) -> str | None:
    folded = name.casefold()
    return next((other for other in others if other.casefold() == folded), None)


def _plain(value: JsonValue) -> JsonValue:
    match value:
        case str() | bool() | int() | None:
            return value
        case float():
            return int(value) if value.is_integer() and abs(value) <= _EXACT else value
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case _:
            return [_plain(item) for item in value]


def _is_json(value: JsonValue) -> bool:
    match value:
        case str() | bool() | None:
            return True
        case int():
            return value in _INTEGERS
        case float():
            return math.isfinite(value)
        case Mapping():
            return all(map(_is_json, value.values()))
        case _:
            return all(map(_is_json, value))
