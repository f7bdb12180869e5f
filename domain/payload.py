"""The bodies of a campaign's requests, as pieces of bytes that are joined once.

Whatever is the same for all messages is JSON-escaped once, when a `Payload` is made. JSON escapes
character by character, so the pieces of one string can be escaped apart: a personal HTML of 25 KB
is its escaped segments and, between them, the recipient's few values.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import accumulate, groupby
from typing import NamedTuple, TypeAlias

from domain.binding import Bindings, bind
from domain.body import BodyTemplate, Inside, Token, Whole, escaped
from domain.columns import Columns, Values, json_texts, json_values
from domain.prototypes import Counter
from domain.replacements import SYSTEM_NAMES, Placeholder


class Payload:
    """A body template, bound to a campaign; a body holds at most `max_messages`.

    `open_names` are the placeholders that each message has yet to fill in.
    """

    def __init__(self, template: BodyTemplate, bound: Bindings, max_messages: int) -> None:
        pieces = list(_merged(_pieces(template.message, bound)))
        # A row is one message with the comma before it; the first message's gives way to `opening`.
        self.row = [piece if isinstance(piece, bytes) else b"" for piece in pieces]
        self.opening = template.opening + self.row[0].removeprefix(b",")
        self.closing = template.closing
        self.counts = {
            place: [b"%d" % piece.at(i) for i in range(max_messages)]
            for place, piece in enumerate(pieces)
            if isinstance(piece, Counter)
        }
        digits = [sum(len(texts[i]) for texts in self.counts.values()) for i in range(max_messages)]
        self.count_ends = [0, *accumulate(digits)]
        self._places: dict[_Slot, list[int]] = defaultdict(list)
        for place, piece in enumerate(pieces):
            if isinstance(piece, _Slot):
                self._places[piece].append(place)
        self.open_names = {slot.name for slot in self._places}

    def fill(self, columns: Columns) -> "Bodies":
        """The bodies of these messages: every value in its place, nothing joined yet."""
        pieces = self.row * len(columns)
        for slot, places in self._places.items():
            column = columns.column(slot.name, slot.encode)
            for place in places:
                # One place in the rows of all messages at once; the loop runs in C.
                pieces[place :: len(self.row)] = column
        return Bodies(self, pieces)


class Bodies:
    """The bodies of any neighbours among the messages that a `Payload` was filled with."""

    def __init__(self, payload: Payload, pieces: list[bytes]) -> None:
        self._payload = payload
        self._pieces = pieces

    def body(self, start: int, stop: int) -> bytes:
        """The body of the messages `start` to `stop`, which counts from 1 with the first."""
        payload, width = self._payload, len(self._payload.row)
        pieces = self._pieces[start * width : stop * width]
        for place, counts in payload.counts.items():
            pieces[place::width] = counts[: stop - start]
        pieces[0] = payload.opening
        pieces.append(payload.closing)
        return b"".join(pieces)

    def size(self, start: int, stop: int) -> int:
        """The length of that body in bytes, without making it."""
        payload = self._payload
        frame = len(payload.opening) - len(payload.row[0]) + len(payload.closing)
        counted = payload.count_ends[stop - start]
        return frame + self._message_ends[stop] - self._message_ends[start] + counted

    @cached_property
    def _message_ends(self) -> list[int]:
        """How many bytes the rows of the first n messages have together, less their counts."""
        return [0, *accumulate(map(len, self._pieces))][:: len(self._payload.row)]


class _Slot(NamedTuple):
    """What differs from message to message: a placeholder, and how its values become JSON."""

    name: str
    encode: Callable[[Values], list[bytes]]


_Piece: TypeAlias = bytes | _Slot | Counter


def _pieces(tokens: Iterable[Token], bound: Bindings) -> Iterator[_Piece]:
    yield b","
    for token in tokens:
        match token:
            case Inside(name):
                yield from _string(name, bound)
            case Whole(name) if name in SYSTEM_NAMES:
                yield b'"'
                yield from _string(name, bound)
                yield b'"'
            case Whole(name):
                yield _Slot(name, json_values)
            case _:
                yield token


def _string(name: str, bound: Bindings) -> Iterator[_Piece]:
    for part in bind([Placeholder(name)], bound):
        yield escaped(part) if isinstance(part, str) else _Slot(part.name, json_texts)


def _merged(pieces: Iterable[_Piece]) -> Iterator[_Piece]:
    """The same with neighbouring literals made one."""
    for literal, run in groupby(pieces, key=lambda piece: isinstance(piece, bytes)):
        if literal:
            yield b"".join(piece for piece in run if isinstance(piece, bytes))
        else:
            yield from run
