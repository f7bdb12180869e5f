"""The body template of a provider: read once, and turned into what rendering has to fill in."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from domain.errors import InvalidRequest, Violation
from domain.jsonc import (
    Array,
    JsonSyntaxError,
    Node,
    Object,
    Scalar,
    String,
    Where,
    children,
    parse,
)
from domain.prototypes import Counter, counters
from domain.replacements import Placeholder, parts, placeholders


@dataclass(frozen=True, slots=True)
class Inside:
    """A placeholder within a string: its value is text."""

    name: str


@dataclass(frozen=True, slots=True)
class Whole:
    """A string that is nothing but a placeholder: its value keeps its JSON type."""

    name: str


# Bytes are JSON as it goes out.
Token: TypeAlias = bytes | Inside | Whole | Counter

# Marks the place of the messages: JSON writes this character as an escape, so it stands nowhere.
_HOLE = b"\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyTemplate:
    """A body is `opening`, the messages with commas between them, and `closing`.

    Without batching there is one message and it is the whole body.
    """

    opening: bytes
    message: tuple[Token, ...]
    closing: bytes


def compile_body(parameters: str, *, batched: bool) -> BodyTemplate:
    """The template that a POST provider's `parameters` hold; raises InvalidRequest."""
    root = read(parameters)
    if not batched:
        return BodyTemplate(opening=b"", message=_message(root, {}), closing=b"")
    array = batch_array(root)
    opening, closing = _around(root, array)
    message = _message(array.items[0], counters(array.items))
    return BodyTemplate(opening=opening, message=message, closing=closing)


def read(parameters: str) -> Array | Object:
    """The tree of a template; raises InvalidRequest if it is no JSON array or object."""
    if not parameters.strip():
        raise _invalid("JSON_SYNTAX", "the template is empty; give the JSON body of a request")
    try:
        root = parse(parameters)
    except JsonSyntaxError as error:
        raise _invalid("JSON_SYNTAX", str(error)) from error
    if not isinstance(root, Array | Object):
        raise _invalid("NOT_OBJECT_OR_ARRAY", "the template must be a JSON object or array")
    return root


def batch_array(root: Node) -> Array:
    """The outermost array whose elements hold `$$To`; raises InvalidRequest unless it is one."""
    arrays = list({array.where: array for array in _around_to(root, None)}.values())
    if not arrays:
        raise _invalid(
            "BATCH_ARRAY_MISSING",
            "no JSON array holds `$$To`; put the message into an array, "
            'as in {"msgs": [{"to": "$$To"}]}, or turn batching off',
        )
    if len(arrays) > 1:
        places = " and ".join(str(array.where) for array in arrays)
        raise _invalid(
            "BATCH_ARRAY_AMBIGUOUS",
            f"`$$To` stands in more than one array: {places}; keep it in the one of the messages",
        )
    return arrays[0]


def _around_to(node: Node, outermost: Array | None) -> Iterator[Array]:
    """For each `$$To` in an array, the outermost array that it is in."""
    if outermost is None and isinstance(node, Array):
        outermost = node
    if outermost is not None and _holds_to(node):
        yield outermost
    for child in children(node):
        yield from _around_to(child, outermost)


def _holds_to(node: Node) -> bool:
    return isinstance(node, String) and "To" in placeholders(node.value)


def _message(node: Node, counting: Mapping[Where, Counter]) -> tuple[Token, ...]:
    return tuple(_write(node, _replaced, counting))


def _around(root: Node, array: Array) -> tuple[bytes, bytes]:
    """What stands before the first and after the last message, brackets and all, as literals."""
    tokens = _write(root, _literal, {array.where: _HOLE})
    before, after = b"".join(token for token in tokens if isinstance(token, bytes)).split(_HOLE)
    return before + b"[", b"]" + after


def _write(
    node: Node,
    string: Callable[[str], Iterable[Token]],
    special: Mapping[Where, Token],
) -> Iterator[Token]:
    """The compact JSON of a tree; `special` stands in for the nodes at its places."""
    if node.where in special:
        yield special[node.where]
        return
    match node:
        case Scalar():
            yield node.lexeme.encode()
        case String():
            yield from string(node.value)
        case Array():
            yield b"["
            for i, item in enumerate(node.items):
                yield b"," if i else b""
                yield from _write(item, string, special)
            yield b"]"
        case Object():
            yield b"{"
            for i, (key, value) in enumerate(node.members):
                yield (b"," if i else b"") + orjson.dumps(key.value) + b":"
                yield from _write(value, string, special)
            yield b"}"


def _literal(text: str) -> Iterator[Token]:
    yield orjson.dumps(text)


def _replaced(text: str) -> Iterator[Token]:
    match parts(text):
        case (Placeholder(name),):
            yield Whole(name)
        case cut:
            yield b'"'
            for part in cut:
                yield escaped(part) if isinstance(part, str) else Inside(part.name)
            yield b'"'


def escaped(text: str) -> bytes:
    """What stands between the quotes of a JSON string; pieces may be escaped one by one."""
    return orjson.dumps(text)[1:-1]


def _invalid(reason: str, message: str) -> InvalidRequest:
    return InvalidRequest([Violation(field="parameters", reason=reason, message=message)])
