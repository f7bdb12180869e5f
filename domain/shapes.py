"""The values whose shape depends on the message: each decides when it is written."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import orjson

from domain.body import Hole
from domain.prototypes import Counter
from domain.shape import (
    Flat,
    KeyTwice,
    NotFlat,
    Out,
    Piece,
    Row,
    Shape,
    Slot,
    State,
    escaped,
    merged,
)


class MaybeText(NamedTuple):
    """A string, or `instead` of an empty one; None leaves it out."""

    pieces: tuple[Piece, ...]
    instead: bytes | None

    def write(self, out: Out, row: Row) -> State:
        texts = [row.value(piece) for piece in self.pieces if isinstance(piece, Slot)]
        # There are no texts between the slots, or it could never be empty.
        if any(texts):
            out += [b'"', *texts, b'"']
            return State.FILLED
        return _instead(self.instead, out)

    def slots(self) -> Iterator[Slot]:
        return (piece for piece in self.pieces if isinstance(piece, Slot))

    def parts(self) -> Iterator[Shape]:
        return iter(())


class MaybeValue(NamedTuple):
    """A value of any type, or `instead` of null and of an empty text; None leaves it out."""

    slot: Slot
    instead: bytes | None

    def write(self, out: Out, row: Row) -> State:
        value = row.value(self.slot)
        if value in (b'""', b"null"):
            return _instead(self.instead, out)
        out.append(value)
        return State.FILLED

    def slots(self) -> Iterator[Slot]:
        return iter((self.slot,))

    def parts(self) -> Iterator[Shape]:
        return iter(())


def _instead(instead: bytes | None, out: Out) -> State:
    if instead is None:
        return State.EMPTY
    out.append(instead)
    return State.FILLED


class ArrayShape(NamedTuple):
    """`emptied`: copies would stand here, and there are none. A `kept` one is a message."""

    items: tuple[Shape, ...]
    emptied: bool = False
    kept: bool = False

    def write(self, out: Out, row: Row) -> State:
        states = [State.EMPTY] if self.emptied else []
        start = len(out)
        out.append(b"[")
        for item in self.items:
            mark = len(out)
            if mark > start + 1:
                out.append(b",")
            states.append(item.write(out, row))
            if states[-1] is State.EMPTY:
                del out[mark:]
        state = _together(states)
        if state is State.EMPTY and (self.kept or len(out) > start + 1):
            state = State.REST
        return _close(out, start, b"]", state)

    def parts(self) -> Iterator[Shape]:
        return iter(self.items)

    def slots(self) -> Iterator[Slot]:
        return _slots(self.parts())


class ObjectShape(NamedTuple):
    """It is left out with all that it holds where every placeholder in it came out empty.

    A `kept` one is a message. `brackets` are empty where the members go into an object of all
    messages.
    """

    members: tuple[tuple[Flat, Shape], ...]
    open_keys: bool = False
    kept: bool = False
    brackets: bytes = b"{}"

    def write(self, out: Out, row: Row) -> State:
        states, keys = [], []
        start = len(out)
        out.append(self.brackets[:1])
        for key, value in self.members:
            mark = len(out)
            if mark > start + 1:
                out.append(b",")
            begin = len(out)
            key.write(out, row)
            end = len(out)
            out.append(b":")
            states.append(value.write(out, row))
            if states[-1] is State.EMPTY:
                del out[mark:]
            elif self.open_keys:
                keys.append(_bytes(out[begin:end]))
        _raise_if_twice(keys)
        state = _together(states)
        return _close(out, start, self.brackets[1:], State.REST if self.kept else state)

    def parts(self) -> Iterator[Shape]:
        return (shape for member in self.members for shape in member)

    def slots(self) -> Iterator[Slot]:
        return _slots(self.parts())


class NestedShape(NamedTuple):
    inner: Shape

    def write(self, out: Out, row: Row) -> State:
        inside: Out = []
        state = self.inner.write(inside, row)
        if state is not State.EMPTY:
            out.append(b'"')
            # JSON escapes character by character, so that each piece can be escaped alone.
            out += map(_escaped, inside)
            out.append(b'"')
        return state

    def parts(self) -> Iterator[Shape]:
        return iter((self.inner,))

    def slots(self) -> Iterator[Slot]:
        return self.inner.slots()


class KeptShape(NamedTuple):
    """A message is there also where nothing of it is: it is an empty text then."""

    inner: Shape

    def write(self, out: Out, row: Row) -> State:
        if self.inner.write(out, row) is State.EMPTY:
            out.append(b'""')
        return State.FILLED

    def parts(self) -> Iterator[Shape]:
        return iter((self.inner,))

    def slots(self) -> Iterator[Slot]:
        return self.inner.slots()


def nests(shape: Shape) -> bool:
    """Whether JSON stands in a string of it whose text is not known yet."""
    return isinstance(shape, NestedShape) or any(map(nests, shape.parts()))


def shared_keys(shape: Shape, row: Row) -> frozenset[bytes]:
    """The keys that a message adds to an object which all messages share."""
    if isinstance(shape, ObjectShape) and shares_keys(shape):
        return frozenset(_written(key, row) for key, _ in shape.members)
    return frozenset()


def shares_keys(shape: Shape) -> bool:
    return isinstance(shape, ObjectShape) and not shape.brackets


def _written(key: Flat, row: Row) -> bytes:
    out: Out = []
    key.write(out, row)
    return _bytes(out)


def _slots(shapes: Iterable[Shape]) -> Iterator[Slot]:
    return (slot for shape in shapes for slot in shape.slots())


def _bytes(written: Iterable[Piece]) -> bytes:
    """What was written as one; raises NotFlat."""
    if all(isinstance(piece, bytes) for piece in written):
        return b"".join(piece for piece in written if isinstance(piece, bytes))
    raise NotFlat


def _escaped(piece: Piece) -> Piece:
    match piece:
        case bytes():
            return escaped(piece.decode())
        case Counter():
            return piece
        case _:
            raise NotFlat


def _raise_if_twice(keys: Sequence[bytes]) -> None:
    if len(set(keys)) < len(keys):
        twice = next(key for i, key in enumerate(keys) if key in keys[:i])
        raise KeyTwice(orjson.loads(twice))


def _together(states: Sequence[State]) -> State:
    """The state of what is made of values in these states."""
    if State.FILLED in states:
        return State.FILLED
    return State.EMPTY if State.EMPTY in states or State.REST in states else State.LITERAL


def _close(out: Out, start: int, bracket: bytes, state: State) -> State:
    """Ends what was begun at `start`, if it is there at all."""
    if state is State.EMPTY:
        del out[start:]
    else:
        out.append(bracket)
    return state


class _Recorder:
    """No message in particular: slots and holes stay what they are."""

    def value(self, slot: Slot) -> Slot:
        return slot

    def fill(self, hole: Hole, out: "Out") -> None:
        out.append(hole)


def flattened(shape: "ArrayShape | ObjectShape | NestedShape | KeptShape") -> Shape:
    """The same as `Flat`, where its parts are and nothing has to be looked at in each message."""
    if not all(isinstance(part, Flat) for part in shape.parts()):
        return shape
    out: Out = []
    try:
        state = shape.write(out, _Recorder())
    except (KeyTwice, NotFlat):
        return shape
    return Flat(tuple(merged(out)), state)
