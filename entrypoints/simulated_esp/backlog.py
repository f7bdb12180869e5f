"""The callbacks that wait to be posted, and the counts of what became of them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypedDict

import orjson

from entrypoints.simulated_esp.behaviour import Behaviour
from entrypoints.simulated_esp.outcomes import (
    CLICKED,
    DELIVERED,
    DESCRIPTIONS,
    callback_types,
    draws,
    first_word,
)
from entrypoints.simulated_esp.payload import Message

_SUCCESSES = frozenset({DELIVERED, CLICKED})


class CallbackCounts(TypedDict):
    """Counts of events, except `requests` and `retries`, which count requests.

    `pending` are planned and neither acknowledged nor given up (`failed`); `posted` counts an
    event again with each retry. Deliberate repeats are counted in `duplicates` when they are
    acknowledged, and neither in `acknowledged` nor by type. `unprocessed` is what the receiver
    says in its answers.
    """

    requests: int
    retries: int
    posted: int
    acknowledged: int
    failed: int
    pending: int
    duplicates: int
    unprocessed: int
    planned_by_type: dict[str, int]
    acknowledged_by_type: dict[str, int]


class Entry(NamedTuple):
    """The next event of a message, `steps[0]`, and those that follow once it is acknowledged.

    `due` is in seconds of the loop's clock, `timestamp` in epoch seconds. With `repeat` each of
    its events is posted a second time; that second one `is_duplicate`.
    """

    due: float
    email: str
    meta: str
    steps: tuple[str, ...]
    timestamp: int
    repeat: bool
    is_duplicate: bool

    @property
    def events(self) -> int:
        """How many events this entry still stands for."""
        return len(self.steps) * (2 if self.repeat else 1)


class Tally:
    """Counts since the last reset; a batch in flight at a reset still holds the old ones."""

    def __init__(self) -> None:
        self.requests = 0
        self.retries = 0
        self.posted = 0
        self.failed = 0
        self.pending = 0
        self.duplicates = 0
        self.unprocessed = 0
        self.planned: Counter[str] = Counter()
        self.acknowledged: Counter[str] = Counter()

    def counts(self) -> CallbackCounts:
        return {
            "requests": self.requests,
            "retries": self.retries,
            "posted": self.posted,
            "acknowledged": self.acknowledged.total(),
            "failed": self.failed,
            "pending": self.pending,
            "duplicates": self.duplicates,
            "unprocessed": self.unprocessed,
            "planned_by_type": dict(self.planned),
            "acknowledged_by_type": dict(self.acknowledged),
        }


class Backlog:
    """Entries in the order in which they are due, with their tally."""

    def __init__(self) -> None:
        self._queue: deque[Entry] = deque()
        self.tally = Tally()

    def __len__(self) -> int:
        return len(self._queue)

    def plan(self, message: Message, behaviour: Behaviour, due: float, timestamp: int) -> None:
        """Add what the message's address makes of it; a message without an id can have none."""
        if message.meta is None:
            return
        plan = behaviour.callbacks
        drawn = draws(behaviour.seed, message.address)
        rule = first_word(message.address) if behaviour.address_rules else ""
        steps = callback_types(plan, drawn, rule)
        if steps:
            repeat = drawn.duplicate < plan.duplicates
            entry = Entry(due, message.address, message.meta, steps, timestamp, repeat, False)
            self._queue.append(entry)
            for kind in steps:
                self.tally.planned[kind] += 1
            self.tally.pending += entry.events

    def take(self, limit: int, now: float) -> list[Entry]:
        """Remove and return up to `limit` entries that are due."""
        taken: list[Entry] = []
        while self._queue and len(taken) < limit and self._queue[0].due <= now:
            taken.append(self._queue.popleft())
        return taken

    def next_due(self) -> float | None:
        return self._queue[0].due if self._queue else None

    def settle(self, batch: Iterable[Entry], due: float, timestamp: int) -> None:
        """Count a batch as acknowledged and add what follows on it, due at `due`."""
        for entry in batch:
            self.tally.pending -= 1
            if entry.is_duplicate:
                self.tally.duplicates += 1
                continue
            self.tally.acknowledged[entry.steps[0]] += 1
            self._queue.extend(_followers(entry, due, timestamp))

    def give_up(self, batch: Iterable[Entry]) -> None:
        """Count a batch as failed, and with it the events that would have followed."""
        for entry in batch:
            self.tally.pending -= entry.events
            self.tally.failed += entry.events

    def reset(self) -> None:
        self._queue.clear()
        self.tally = Tally()


def _followers(entry: Entry, due: float, timestamp: int) -> Iterable[Entry]:
    if entry.repeat:
        yield entry._replace(due=due, steps=entry.steps[:1], repeat=False, is_duplicate=True)
    if len(entry.steps) > 1:
        yield entry._replace(due=due, steps=entry.steps[1:], timestamp=timestamp)


def encoded(batch: Sequence[Entry]) -> bytes:
    """Return the v2 body of a callback request."""
    success: list[dict[str, object]] = []
    failed: list[dict[str, object]] = []
    for entry in batch:
        (success if entry.steps[0] in _SUCCESSES else failed).append(_event(entry))
    return orjson.dumps({"version": "v2", "events": {"success": success, "failed": failed}})


def _event(entry: Entry) -> dict[str, object]:
    kind = entry.steps[0]
    event: dict[str, object] = {
        "type": kind,
        "email": entry.email,
        "meta": entry.meta,
        "timestamp": entry.timestamp,
    }
    if kind in DESCRIPTIONS:
        event["description"] = DESCRIPTIONS[kind]
    return event
