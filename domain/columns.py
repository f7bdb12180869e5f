"""The values of many messages at once, placeholder by placeholder.

One list comprehension over a thousand values costs a fraction of a thousand calls that each gather
the values of one message; so rendering works on columns.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, TypeVar
from urllib.parse import quote

import orjson

from domain.campaign import JsonValue, Recipient
from domain.forms import TO_NAME, BoundPart, Formed, Open, is_value, shaped
from domain.replacements import NAME, Placeholder, as_json, as_text, own_value

T = TypeVar("T")
Values: TypeAlias = Sequence[JsonValue]


def texts(values: Values) -> list[str]:
    return [value if isinstance(value, str) else as_text(value) for value in values]


def query_texts(values: Values) -> list[str]:
    """As texts, percent-encoded: nothing but the unreserved characters of RFC 3986 stays."""
    return [quote(text, safe="") for text in texts(values)]


def json_values(values: Values) -> list[bytes]:
    if set(map(type, values)) == {str}:
        return _each(values, b"")
    return [as_json(value) for value in values]


def json_texts(values: Values) -> list[bytes]:
    """As texts, escaped to stand within a JSON string."""
    return _each(texts(values), b'"')


def _each(strings: Values, around: bytes) -> list[bytes]:
    """The JSON of each string, less what is `around` it: one call for all is many times as fast."""
    # Indented, each string stands on a line of its own; and no string of JSON holds a line break.
    array = orjson.dumps(strings, option=orjson.OPT_INDENT_2)
    opening, between, closing = b"[\n  " + around, around + b",\n  " + around, around + b"\n]"
    return array.removeprefix(opening).removesuffix(closing).split(between)


@dataclass(frozen=True)
class Copies:
    """The copies of every message of a rendering."""

    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()

    @cached_property
    def lists(self) -> Mapping[str, Sequence[str]]:
        return {"cc": self.cc, "bcc": self.bcc}

    @cached_property
    def joined(self) -> Mapping[str, str]:
        return {name: ",".join(addresses) for name, addresses in self.lists.items()}

    def count(self, names: Iterable[str]) -> int:
        return sum(len(self.lists[name]) for name in names)


class Columns:
    """The messages of one rendering, at least one; a column has an entry for each, in order.

    `campaign` are the campaign's own custom values, `copies` the texts of cc and bcc.
    """

    def __init__(
        self,
        messages: Sequence[tuple[int, Recipient]],
        *,
        campaign: Mapping[str, JsonValue],
        copies: Mapping[str, str],
        message_ids: Callable[[Sequence[int]], Sequence[str]],
    ) -> None:
        self.ordinals = tuple(ordinal for ordinal, _ in messages)
        self._recipients = [recipient for _, recipient in messages]
        self._campaign = campaign
        self._copies = copies
        self._message_ids = message_ids
        self._values: dict[Open, Values] = {}

    def __len__(self) -> int:
        return len(self.ordinals)

    def column(self, part: Open, encode: Callable[[Values], list[T]]) -> list[T]:
        """The values of a placeholder, encoded; one that all share is encoded only once."""
        if part not in self._values:
            self._values[part] = self._gather(part)
        values = self._values[part]
        first = values[0]
        if all(value is first for value in values):
            return encode(values[:1]) * len(values)
        return encode(values)

    def _gather(self, part: Open) -> Values:
        if isinstance(part, Formed):
            return self._formed(part)
        match part.name:
            case "To":
                return [recipient.email for recipient in self._recipients]
            case "MessageID":
                return self._message_ids(self.ordinals)
            case "cc" | "bcc":
                return [self._copies[part.name]] * len(self)
            case name if name == TO_NAME:
                return [recipient.name for recipient in self._recipients]
            case name:
                return self._custom(name)

    def _custom(self, key: str) -> Values:
        otherwise = self._campaign.get(key)
        if key == NAME:
            return [own_value(recipient, key, otherwise) for recipient in self._recipients]
        return [recipient.replacements.get(key, otherwise) for recipient in self._recipients]

    def _formed(self, formed: Formed) -> list[str]:
        match formed:
            case Formed("json", (Placeholder() as only,)) if is_value(only):
                return self.column(only, _json)
        base, label = self._texts(formed.base), self._texts(formed.label)
        pairs = zip(base, label, strict=True)
        return [shaped(formed.form, text, name) for text, name in pairs]

    def _texts(self, parts: Sequence[BoundPart]) -> list[str]:
        columns = [
            [part] * len(self) if isinstance(part, str) else self.column(part, texts)
            # The empty text in front keeps no parts from being no texts.
            for part in ("", *parts)
        ]
        return ["".join(row) for row in zip(*columns, strict=True)]


def _json(values: Values) -> list[str]:
    return [as_json(value).decode() for value in values]
