"""What the simulator counts and keeps. Tests read it, so every count is exact."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypedDict, TypeVar

from entrypoints.simulated_esp.payload import JsonObject, Message

# Of ids accepted more than once, so many are kept by name; all of them are counted.
_NAMED_REPEATS = 100


class MessageCounts(TypedDict):
    """`rejected` counts messages refused alone, or by name in a partly accepted batch."""

    accepted: int
    distinct: int
    accepted_more_than_once: int
    accepted_more_than_once_ids: list[str]
    without_id: int
    rejected: int


class RequestCounts(TypedDict):
    """Requests of a provider; those to the control endpoints are not counted."""

    requests: int
    statuses: dict[str, int]
    dropped_before_reading: int
    dropped_after_accepting: int
    broken_off_by_client: int
    batches_refused: int
    idempotent_repeats: int
    idempotency_conflicts: int


class Ledger:
    """Counts of requests and messages since the start or the last reset.

    A message id costs about 130 bytes, whatever its length: only its 64-bit hash is kept. Two
    of a million different ids share one with a probability of one in ten million.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.statuses: Counter[int] = Counter()
        self.dropped_before_reading = 0
        self.dropped_after_accepting = 0
        self.broken_off_by_client = 0
        self.batches_refused = 0
        self.idempotent_repeats = 0
        self.idempotency_conflicts = 0
        self.rejected = 0
        self._accepted = 0
        self._without_id = 0
        self._times: dict[int, int] = {}
        self._repeated = 0
        self._repeated_ids: list[str] = []

    def accept(self, messages: Iterable[Message]) -> None:
        times = self._times
        for message in messages:
            self._accepted += 1
            if message.meta is None:
                self._without_id += 1
                continue
            key = hash(message.meta)
            seen = times.get(key, 0) + 1
            times[key] = seen
            if seen == 2:
                self._note_repeat(message.meta)

    def times_accepted(self, meta: str) -> int:
        return self._times.get(hash(meta), 0)

    def request_counts(self) -> RequestCounts:
        return {
            "requests": self.requests,
            "statuses": {str(status): times for status, times in sorted(self.statuses.items())},
            "dropped_before_reading": self.dropped_before_reading,
            "dropped_after_accepting": self.dropped_after_accepting,
            "broken_off_by_client": self.broken_off_by_client,
            "batches_refused": self.batches_refused,
            "idempotent_repeats": self.idempotent_repeats,
            "idempotency_conflicts": self.idempotency_conflicts,
        }

    def message_counts(self) -> MessageCounts:
        return {
            "accepted": self._accepted,
            "distinct": len(self._times),
            "accepted_more_than_once": self._repeated,
            "accepted_more_than_once_ids": list(self._repeated_ids),
            "without_id": self._without_id,
            "rejected": self.rejected,
        }

    def _note_repeat(self, meta: str) -> None:
        self._repeated += 1
        if len(self._repeated_ids) < _NAMED_REPEATS:
            self._repeated_ids.append(meta)


class Weighed(Protocol):
    """Something kept for a while, that knows about how many bytes it holds."""

    @property
    def weight(self) -> int: ...


_Kept = TypeVar("_Kept", bound=Weighed)


class Ring(Generic[_Kept]):
    """The latest items, bounded in number and in bytes; the oldest go first."""

    def __init__(self, *, items: int, weight: int) -> None:
        self._items = items
        self._max_weight = weight
        self._kept: deque[_Kept] = deque()
        self._weight = 0

    def add(self, item: _Kept) -> None:
        self._kept.append(item)
        self._weight += item.weight
        while self._kept and (len(self._kept) > self._items or self._weight > self._max_weight):
            self._weight -= self._kept.popleft().weight

    def last(self, number: int) -> list[_Kept]:
        """Return up to `number` items, the oldest of them first."""
        return list(self._kept)[-number:] if number > 0 else []

    def newest_first(self) -> Iterable[_Kept]:
        return reversed(self._kept)

    def clear(self) -> None:
        self._kept.clear()
        self._weight = 0


@dataclass(slots=True)
class SeenRequest:
    """One request as it came in. `status` is set with the answer: None where none was sent."""

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int | None = None

    @property
    def weight(self) -> int:
        return len(self.body) + 1024  # About what the headers and the object itself take.


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """One accepted message, whole. `weight` is its share of the bytes of its request."""

    meta: str
    fields: JsonObject
    weight: int
