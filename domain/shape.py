"""What a bound template is made of: values that write their JSON, piece by piece.

Where nothing of the shape of a value depends on the message, it is `Flat`; `domain.shapes` has the
others.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto
from itertools import groupby
from typing import NamedTuple, Protocol, TypeAlias

import orjson

from domain.body import Hole
from domain.columns import Values
from domain.forms import Open
from domain.prototypes import Counter


class Slot(NamedTuple):
    """What differs from message to message: a placeholder, and how its values become JSON."""

    source: Open
    encode: Callable[[Values], list[bytes]]


Piece: TypeAlias = bytes | Slot | Counter | Hole


class State(Enum):
    """What became of a value, as far as leaving out empty ones goes."""

    EMPTY = auto()
    """Left out: nothing was written."""
    REST = auto()
    """An array whose placeholders all came out empty; what stood beside them is written."""
    LITERAL = auto()
    """Written: there is no placeholder in it."""
    FILLED = auto()


class KeyTwice(ValueError):
    """Two keys of one object came out the same, and an ESP would see only one of them."""


class NotFlat(Exception):
    """What is to be written depends on what stands in a slot or a hole."""


# What is written for a message is bytes and counters; slots and holes are left by `flattened`.
Out: TypeAlias = list[Piece]


class Row(Protocol):
    """One message, or for the frame of a body all of them."""

    def value(self, slot: Slot) -> Piece: ...

    def fill(self, hole: Hole, out: Out) -> None:
        """Write the messages that stand in a hole."""


class Shape(Protocol):
    """A value whose JSON `write` adds to `out`, or not; it raises KeyTwice."""

    def write(self, out: Out, row: Row) -> State: ...

    def slots(self) -> Iterator[Slot]:
        """All that is open in it."""

    def parts(self) -> "Iterator[Shape]":
        """What it is made of, where that is shapes."""


class Flat(NamedTuple):
    """Pieces that are there for every message."""

    pieces: tuple[Piece, ...]
    state: State

    def write(self, out: Out, row: Row) -> State:
        for piece in self.pieces:
            match piece:
                case Slot():
                    out.append(row.value(piece))
                case Hole():
                    row.fill(piece, out)
                case _:
                    out.append(piece)
        return self.state

    def slots(self) -> Iterator[Slot]:
        return (piece for piece in self.pieces if isinstance(piece, Slot))

    def parts(self) -> Iterator[Shape]:
        return iter(())


def escaped(text: str) -> bytes:
    """What stands between the quotes of a JSON string; pieces may be escaped one by one."""
    return orjson.dumps(text)[1:-1]


def merged(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same with neighbouring literals made one."""
    for literal, run in groupby(pieces, key=lambda piece: isinstance(piece, bytes)):
        if literal:
            yield b"".join(piece for piece in run if isinstance(piece, bytes))
        else:
            yield from run
