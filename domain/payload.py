"""The bodies of a campaign's requests, as pieces of bytes that are joined once.

Whatever is the same for all messages is JSON-escaped once, when a `Payload` is made. JSON escapes
character by character, so the pieces of one string can be escaped apart: a personal HTML of 25 KB
is its escaped segments and, between them, the recipient's few values.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Protocol

from domain.binder import Binder
from domain.body import BodyTemplate, Hole
from domain.columns import Columns
from domain.prototypes import Counter
from domain.shape import Flat, Piece, Slot, merged
from domain.shaped_payload import ShapedPayload


class Bodies(Protocol):
    """The bodies of any neighbours among the messages that a payload was filled with.

    `faults` says, by the index of a message, why none can be made of it.
    """

    @property
    def faults(self) -> Mapping[int, str]: ...

    def body(self, start: int, stop: int) -> bytes:
        """The body of the messages `start` to `stop`, which counts from 1 with the first."""

    def size(self, start: int, stop: int) -> int:
        """The length of that body in bytes or a few more; never less as `stop` grows."""

    @property
    def last(self) -> Callable[[int, int], int] | None:
        """How far, at most to `stop`, messages can share a body by what is in them; None: that far.

        It is asked for each body, of which there may be one a message.
        """


class Payload(Protocol):
    """A body template, bound to a campaign and to copies."""

    def fill(self, columns: Columns) -> Bodies:
        """The bodies of these messages: every value in its place, nothing joined yet."""

    def slots(self) -> Iterator[Slot]:
        """All that each message has yet to fill in."""

    def frame_slots(self) -> Iterator[Slot]:
        """Those outside of the messages: they hold the values of the first one of a body."""


def payload(template: BodyTemplate, binder: Binder, max_messages: int) -> Payload:
    """The fastest payload for this template; its bodies hold at most `max_messages`."""
    frame = binder.message(template.frame)
    messages = [binder.message(message) for message in template.messages]
    if len(messages) == 1 and isinstance(frame, Flat) and isinstance(messages[0], Flat):
        match list(merged([b"", *frame.pieces, b""])):
            case [bytes() as opening, Hole(), bytes() as closing]:
                return FlatPayload(opening, messages[0].pieces, closing, max_messages)
    return ShapedPayload(frame, messages, max_messages)


class FlatPayload:
    """One array of messages, of which every one has the same shape."""

    def __init__(
        self, opening: bytes, message: Sequence[Piece], closing: bytes, max_messages: int
    ) -> None:
        pieces = list(merged([b",", *message]))
        # A row is one message with the comma before it; the first message's gives way to `opening`.
        self.row = [piece if isinstance(piece, bytes) else b"" for piece in pieces]
        self.opening = opening + self.row[0].removeprefix(b",")
        self.closing = closing
        self.counts = {
            place: [b"%d" % piece.at(i) for i in range(max_messages)]
            for place, piece in enumerate(pieces)
            if isinstance(piece, Counter)
        }
        digits = [sum(len(texts[i]) for texts in self.counts.values()) for i in range(max_messages)]
        self.count_ends = [0, *accumulate(digits)]
        self._places: dict[Slot, list[int]] = defaultdict(list)
        for place, piece in enumerate(pieces):
            if isinstance(piece, Slot):
                self._places[piece].append(place)

    def slots(self) -> Iterator[Slot]:
        return iter(self._places)

    def frame_slots(self) -> Iterator[Slot]:
        return iter(())

    def fill(self, columns: Columns) -> "FlatBodies":
        pieces = self.row * len(columns)
        for slot, places in self._places.items():
            column = columns.column(slot.source, slot.encode)
            for place in places:
                # One place in the rows of all messages at once; the loop runs in C.
                pieces[place :: len(self.row)] = column
        return FlatBodies(self, pieces)


class FlatBodies:
    def __init__(self, payload: FlatPayload, pieces: list[bytes]) -> None:
        self._payload = payload
        self._pieces = pieces
        self.faults: Mapping[int, str] = {}
        self.last = None

    def body(self, start: int, stop: int) -> bytes:
        payload, width = self._payload, len(self._payload.row)
        pieces = self._pieces[start * width : stop * width]
        for place, counts in payload.counts.items():
            pieces[place::width] = counts[: stop - start]
        pieces[0] = payload.opening
        pieces.append(payload.closing)
        return b"".join(pieces)

    def size(self, start: int, stop: int) -> int:
        payload = self._payload
        frame = len(payload.opening) - len(payload.row[0]) + len(payload.closing)
        counted = payload.count_ends[stop - start]
        return frame + self._message_ends[stop] - self._message_ends[start] + counted

    @cached_property
    def _message_ends(self) -> list[int]:
        """How many bytes the rows of the first n messages have together, less their counts."""
        return [0, *accumulate(map(len, self._pieces))][:: len(self._payload.row)]
