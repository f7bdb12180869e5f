"""The bodies of requests whose shape depends on the messages: written message by message.

It serves what `FlatPayload` cannot: values that are left out where they are empty, keys that are
values, JSON within a string, several places of messages in one body, and a frame with values.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import cast

from domain.body import Hole
from domain.columns import Columns
from domain.prototypes import Counter
from domain.shape import Flat, KeyTwice, Out, Shape, Slot
from domain.shapes import nests, shared_keys, shares_keys


class ShapedPayload:
    """A frame and, for each of its holes, what stands there for every message."""

    def __init__(self, frame: Shape, messages: Sequence[Shape], max_messages: int) -> None:
        self.frame = frame
        self.messages = messages
        self.max_messages = max_messages
        self.nests = nests(frame)
        self.shares_keys = any(map(shares_keys, messages))
        self.checks_frame = not isinstance(frame, Flat)

    def slots(self) -> Iterator[Slot]:
        return iter({slot for shape in (self.frame, *self.messages) for slot in shape.slots()})

    def frame_slots(self) -> Iterator[Slot]:
        return iter(dict.fromkeys(self.frame.slots()))

    def fill(self, columns: Columns) -> "ShapedBodies":
        values = {slot: columns.column(slot.source, slot.encode) for slot in self.slots()}
        return ShapedBodies(self, values, len(columns))


class _Message:
    """One of the messages; `written` are those in a body, for the holes of its frame."""

    def __init__(
        self, values: Mapping[Slot, Sequence[bytes]], index: int, written: "Sequence[_Written]" = ()
    ) -> None:
        self._values = values
        self._index = index
        self._written = written

    def value(self, slot: Slot) -> bytes:
        return self._values[slot][self._index]

    def fill(self, hole: Hole, out: Out) -> None:
        for number, message in enumerate(self._written):
            if number:
                out.append(b",")
            for piece in message[hole.index]:
                out.append(b"%d" % piece.at(number) if isinstance(piece, Counter) else piece)


# What a message writes into each of the holes.
_Written = Sequence[Out]


class ShapedBodies:
    def __init__(
        self, payload: ShapedPayload, values: Mapping[Slot, Sequence[bytes]], count: int
    ) -> None:
        self._payload = payload
        self._values = values
        self.faults: dict[int, str] = {}
        self._written = [self._write(index) for index in range(count)]

    def body(self, start: int, stop: int) -> bytes:
        out: Out = []
        self._payload.frame.write(out, _Message(self._values, start, self._written[start:stop]))
        # Slots and counters were resolved on the way: what is left is bytes.
        return b"".join(cast("list[bytes]", out))

    def size(self, start: int, stop: int) -> int:
        if self._payload.nests:
            # What stands in the string of another JSON grows by being escaped.
            return len(self.body(start, stop))
        return len(self.body(start, start)) + self._ends[stop] - self._ends[start]

    def last(self, start: int, stop: int) -> int:
        seen: list[set[bytes]] = [set() for _ in self._payload.messages]
        if not self._payload.shares_keys:
            return stop
        for index in range(start, stop):
            for shape, keys in zip(self._payload.messages, seen, strict=True):
                own = shared_keys(shape, _Message(self._values, index))
                if not keys.isdisjoint(own):
                    return index
                keys |= own
        return stop

    @cached_property
    def _ends(self) -> list[int]:
        """How many bytes the first n messages have together, at most."""
        return [0, *accumulate(map(self._most, self._written))]

    def _write(self, index: int) -> _Written:
        row = _Message(self._values, index)
        written: list[Out] = [[] for _ in self._payload.messages]
        try:
            if self._payload.checks_frame:
                self._payload.frame.write([], row)
            for shape, out in zip(self._payload.messages, written, strict=True):
                shape.write(out, row)
        except KeyTwice as error:
            self.faults[index] = str(error)
        return written

    def _most(self, written: _Written) -> int:
        """The bytes of a message, with its commas and with numbers as long as they can get."""
        most = self._payload.max_messages - 1
        numbers = (
            max(len(b"%d" % piece.at(at)) for at in (0, most))
            if isinstance(piece, Counter)
            else len(piece)
            for out in written
            for piece in out
            if isinstance(piece, bytes | Counter)
        )
        return sum(numbers) + len(written)
