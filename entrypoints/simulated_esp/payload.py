"""Finding the messages in a payload whose shape is not known beforehand.

A batch is the outermost array of objects that each hold a message id and an address; a payload
without one is a single message. Keys are compared without case, hyphens and underscores, and
where an object lacks one, the objects and arrays inside it are searched. A message id may also
stand in a name and value pair, as headers and tags do: `{"name": "mid", "value": "m-1"}`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

DEFAULT_META_KEYS = (
    "mid",
    "message_id",
    "msg_id",
    "meta",
    "custom_id",
    "client_reference",
    "token_to",
    "postback",
)
DEFAULT_TO_KEYS = (
    "to",
    "email",
    "recipient",
    "recipients",
    "rcpt",
    "rcpt_to",
    "to_address",
    "to_addresses",
    "to_email",
    "email_address",
    "address",
    "destination",
)
# Addresses below these keys are not the recipient's.
_OTHER_PARTIES = frozenset(
    {"from", "fromaddress", "fromemail", "fromemailaddress", "sender", "senderaddress"}
    | {"replyto", "replytoaddress", "replytoaddresses", "cc", "bcc", "headers"}
    | {"ccaddresses", "bccaddresses"}
)
_IN_ANGLE_BRACKETS = re.compile(r"<([^<>\s]+)>")
# Deeper than any payload that means something; orjson itself takes 1,024 levels.
_MAX_DEPTH = 32

JsonObject = dict[str, Any]


class PayloadError(ValueError):
    """A payload in which no messages can be found; says what was looked for."""


class Message(NamedTuple):
    """One message: its id (None if it has none), the recipient's bare address, the whole object."""

    meta: str | None
    address: str
    fields: JsonObject


class MessageFinder:
    """Finds messages by the given key names; the first name that is present wins."""

    def __init__(
        self,
        meta_keys: Sequence[str] = DEFAULT_META_KEYS,
        to_keys: Sequence[str] = DEFAULT_TO_KEYS,
    ) -> None:
        self._meta_keys = tuple(meta_keys)
        self._to_keys = tuple(to_keys)
        self._meta_folded = tuple(_folded(key) for key in meta_keys)
        self._to_folded = tuple(_folded(key) for key in to_keys)

    def find(self, document: object) -> list[Message]:
        """Return the messages in order, at least one. Raises PayloadError."""
        return [
            self._message(index, element) for index, element in enumerate(self._elements(document))
        ]

    def _message(self, index: int, element: object) -> Message:
        if not isinstance(element, dict):
            raise PayloadError(f"message {index} is no object")
        address = self._address(element)
        if address is None:
            keys = ", ".join(self._to_keys)
            raise PayloadError(
                f"message {index} holds no recipient address under {keys} (--to-key names the key)"
            )
        return Message(self._meta(element), address, element)

    def _elements(self, document: object) -> Sequence[object]:
        if isinstance(document, list):
            if not document:
                raise PayloadError("the array of messages is empty")
            return document
        if not isinstance(document, dict):
            raise PayloadError("the payload must be an object or an array of objects")
        return self._batch(document) or [document]

    def _batch(self, document: JsonObject) -> Sequence[object] | None:
        """Return the batch inside an object, or None where the object is itself the message."""
        for _, array in _arrays_of_objects(document):
            if self._meta(array[0]) is not None and self._address(array[0]) is not None:
                return array
        if self._meta(document) is not None:
            return None
        for key, array in _arrays_of_objects(document):
            if key not in self._to_folded and self._address(array[0]) is not None:
                return array
        return None

    def _meta(self, element: JsonObject, depth: int = 0) -> str | None:
        for key in self._meta_keys:
            found = _scalar(element.get(key))
            if found is not None:
                return found
        by_folded = {_folded(key): value for key, value in element.items()}
        here = (_scalar(by_folded.get(key)) for key in self._meta_folded)
        return (
            next((meta for meta in here if meta is not None), None)
            or self._paired_meta(by_folded)
            or self._inner_meta(element, depth)
        )

    def _paired_meta(self, by_folded: JsonObject) -> str | None:
        name = by_folded.get("name") or by_folded.get("key")
        if isinstance(name, str) and _folded(name) in self._meta_folded:
            return _scalar(by_folded.get("value"))
        return None

    def _inner_meta(self, element: JsonObject, depth: int) -> str | None:
        if depth >= _MAX_DEPTH:
            return None
        inner = (self._meta(item, depth + 1) for item in _objects_inside(element.values()))
        return next((meta for meta in inner if meta is not None), None)

    def _address(self, element: JsonObject, depth: int = 0) -> str | None:
        for key in self._to_keys:
            value = element.get(key)
            if value is not None:
                found = _bare_address(value) if isinstance(value, str) else None
                if found is not None:
                    return found
                break  # An array or an object: the search below looks inside.
        return self._searched_address(element, depth)

    def _searched_address(self, element: JsonObject, depth: int) -> str | None:
        # No object is looked at twice, so that no payload takes more than linear time.
        by_folded = {_folded(key): value for key, value in element.items()}
        for key in self._to_folded:
            found = self._address_in(by_folded.pop(key, None), depth)
            if found is not None:
                return found
        others = [value for key, value in by_folded.items() if key not in _OTHER_PARTIES]
        return self._address_in(list(_objects_inside(others)), depth)

    def _address_in(self, value: object, depth: int) -> str | None:
        if isinstance(value, str):
            return _bare_address(value)
        if depth >= _MAX_DEPTH:
            return None
        if isinstance(value, dict):
            return self._address(value, depth + 1)
        if isinstance(value, list):
            found = (self._address_in(item, depth + 1) for item in value)
            return next((address for address in found if address is not None), None)
        return None


def _arrays_of_objects(document: JsonObject) -> Iterator[tuple[str, list[Any]]]:
    """Yield non-empty arrays whose elements are all objects, outermost first, with their keys."""
    waiting: deque[tuple[str, object]] = deque((_folded(k), v) for k, v in document.items())
    while waiting:
        key, value = waiting.popleft()
        if isinstance(value, dict):
            waiting.extend((_folded(k), v) for k, v in value.items())
        elif isinstance(value, list):
            if value and all(isinstance(item, dict) for item in value):
                yield key, value
            waiting.extend((key, item) for item in value)


def _objects_inside(values: Iterable[object]) -> Iterator[JsonObject]:
    """Yield the objects among the values and in the arrays among them, not in each other."""
    waiting = deque(values)
    while waiting:
        value = waiting.popleft()
        if isinstance(value, dict):
            yield value
        elif isinstance(value, list):
            waiting.extend(value)


def _scalar(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    return str(value) if type(value) is int else None


def _bare_address(text: str) -> str | None:
    """Return the first address of `a@x`, `Name <a@x>` or a comma-separated list of such."""
    if "@" not in text:
        return None
    bracketed = _IN_ANGLE_BRACKETS.search(text)
    return bracketed[1] if bracketed else text.split(",", 1)[0].strip()


# Key names come from templates, so there are few of them.
@lru_cache(maxsize=4096)
def _folded(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "")
