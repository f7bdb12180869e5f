"""JSON as people write it in a template: RFC 8259, and also comments and trailing commas.

`parse` keeps what a round trip through Python values would lose: the text of every number, the
order of the keys, and where each thing stands.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, assert_never

import orjson

# No ESP's payload comes near it, and it keeps every recursion over a tree far from Python's limit.
MAX_DEPTH = 100

MAX_PATH = 200


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a node: its path from the root, and its line and column, which count from 1.

    A very long path is shortened at its beginning; the column tells places apart all the same.
    """

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path or 'the root'} (line {self.line}, column {self.column})"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number, `true`, `false` or `null`, exactly as it was written."""

    where: Where
    lexeme: str


@dataclass(frozen=True, slots=True)
class String:
    where: Where
    value: str


@dataclass(frozen=True, slots=True)
class Array:
    where: Where
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Object:
    """Members in the order in which they were written; no key stands twice."""

    where: Where
    members: "tuple[tuple[String, Node], ...]"


Node: TypeAlias = Scalar | String | Array | Object


class JsonSyntaxError(ValueError):
    """The text is not JSON; line and column count from 1, columns in characters."""

    def __init__(self, line: int, column: int, message: str) -> None:
        self.line = line
        self.column = column
        self.message = message
        super().__init__(f"line {line}, column {column}: {message}")


def parse(text: str) -> Node:
    """The tree of one JSON text; raises JsonSyntaxError at the first thing that is wrong."""
    return _Parser(text.removeprefix("\ufeff")).document()


def children(node: Node) -> "tuple[Node, ...]":
    """What stands directly in an array or object; the keys of an object are not among it."""
    match node:
        case Array():
            return node.items
        case Object():
            return tuple(value for _, value in node.members)
        case Scalar() | String():
            return ()
        case _:
            assert_never(node)


def nodes(root: Node) -> Iterator[Node]:
    """The root and all that it holds, in the order of the text, without keys."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))


# The quantifiers are possessive: nothing is ever tried twice, so no text takes more than one pass.
_BLANK = re.compile(r"(?:[ \t\r\n]++|//[^\r\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
_SCALAR = re.compile(
    r"(?:-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null)(?![\w.+-])"
)
_FOUND = re.compile(r"[\w.+-]{1,20}|.", re.DOTALL)
_LINE_END = re.compile(r"\r\n|\r|\n")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Parser:
    """Recursive descent over one text; `_at` is the next character that was not yet read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line_starts = [0, *(end.end() for end in _LINE_END.finditer(text))]

    def document(self) -> Node:
        self._skip_blank()
        root = self._value("", depth=0)
        if self._at < len(self._text):
            raise self._error(f"expected nothing more, found {self._found()}")
        return root

    def _value(self, path: str, depth: int) -> Node:
        match self._peek():
            case "{" | "[" if depth == MAX_DEPTH:
                raise self._error(f"more than {MAX_DEPTH} arrays and objects inside each other")
            case "{":
                return self._object(path, depth)
            case "[":
                return self._array(path, depth)
            case '"':
                return self._string(path)
            case _:
                return self._scalar(path)

    def _object(self, path: str, depth: int) -> Object:
        where = self._where(path)
        members: dict[str, tuple[String, Node]] = {}
        self._advance(1)
        while self._peek() != "}":
            key = self._key(path)
            if key.value in members:
                first = members[key.value][0].where
                raise _error(
                    key.where, f"key {key.value!r} stands here again, after line {first.line}"
                )
            self._expect(":")
            members[key.value] = (key, self._value(key.where.path, depth + 1))
            self._separator("}")
        self._advance(1)
        return Object(where, tuple(members.values()))

    def _array(self, path: str, depth: int) -> Array:
        where = self._where(path)
        items: list[Node] = []
        self._advance(1)
        while self._peek() != "]":
            items.append(self._value(_shortened(f"{path}[{len(items)}]"), depth + 1))
            self._separator("]")
        self._advance(1)
        return Array(where, tuple(items))

    def _key(self, path: str) -> String:
        if self._peek() != '"':
            raise self._error(f"expected a key in double quotes or `}}`, found {self._found()}")
        key = self._string(path)
        return String(
            Where(_member_path(path, key.value), key.where.line, key.where.column), key.value
        )

    def _string(self, path: str) -> String:
        where = self._where(path)
        end = self._end(_STRING)
        if self._text[end : end + 1] != '"':
            raise self._error_in_string(end)
        lexeme = self._text[self._at : end + 1]
        try:
            value: str = orjson.loads(lexeme)
        except ValueError as error:
            # The grammar was checked above; what is left is half of a surrogate pair.
            raise _error(
                where, "the string holds one half of a surrogate pair; give both"
            ) from error
        self._advance(len(lexeme))
        return String(where, value)

    def _scalar(self, path: str) -> Scalar:
        match = _SCALAR.match(self._text, self._at)
        if match is None:
            raise self._error(f"expected a value, found {self._found()}")
        where = self._where(path)
        self._advance(len(match[0]))
        return Scalar(where, match[0])

    def _separator(self, closing: str) -> None:
        if self._peek() == ",":
            self._advance(1)
        elif self._peek() != closing:
            raise self._error(f"expected `,` or `{closing}`, found {self._found()}")

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise self._error(f"expected `{character}`, found {self._found()}")
        self._advance(1)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _advance(self, count: int) -> None:
        self._at += count
        self._skip_blank()

    def _skip_blank(self) -> None:
        self._at = self._end(_BLANK)
        if self._text.startswith("/*", self._at):
            raise self._error("the comment is not closed; end it with `*/`")

    def _end(self, pattern: re.Pattern[str]) -> int:
        """Where what the pattern matches here ends."""
        match = pattern.match(self._text, self._at)
        return match.end() if match else self._at

    def _found(self) -> str:
        match = _FOUND.match(self._text, self._at)
        return f"`{match[0]}`" if match else "the end of the text"

    def _where(self, path: str) -> Where:
        return self._where_at(self._at, path)

    def _where_at(self, offset: int, path: str = "") -> Where:
        line = bisect_right(self._line_starts, offset)
        return Where(path, line, offset - self._line_starts[line - 1] + 1)

    def _error_in_string(self, offset: int) -> JsonSyntaxError:
        bad = self._text[offset : offset + 1]
        if self._text.startswith("\\u", offset):
            message = "`\\u` takes four hexadecimal digits"
        elif bad == "\\":
            message = f"`{self._text[offset : offset + 2]}` is no escape of JSON; write `\\\\`"
        elif bad in ("", "\r", "\n"):
            message = "the string is not closed on its line; a line break in it is written `\\n`"
        else:
            message = f"a control character in a string is written `\\u{ord(bad):04x}`"
        return _error(self._where_at(offset), message)

    def _error(self, message: str) -> JsonSyntaxError:
        return _error(self._where(""), message)


def _error(where: Where, message: str) -> JsonSyntaxError:
    return JsonSyntaxError(where.line, where.column, message)


def _member_path(path: str, key: str) -> str:
    if not _PLAIN_KEY.fullmatch(key):
        return _shortened(f"{path}[{orjson.dumps(key).decode()}]")
    return _shortened(f"{path}.{key}" if path else key)


def _shortened(path: str) -> str:
    """Every node has a path, so long ones would add up to many times the text."""
    return path if len(path) <= MAX_PATH else "…" + path[1 - MAX_PATH :]
