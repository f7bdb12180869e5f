"""Chunks in the hands of a transaction: what the steps of workers make of them, in memory."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from adapters.sql.event_rows import sent_entry
from domain.campaign import CampaignState
from domain.chunk import Chunk, ChunkState
from domain.circuit import CLOSED, Circuit, CircuitState
from domain.events import LogEntry
from domain.message import MessageState
from services.ports import EspMessage, Move, Recorded, Step

# The states that a chunk can speak for; a message in any other has a row of its own.
_PLAIN = frozenset({MessageState.QUEUED, MessageState.SENDING, MessageState.ACCEPTED})

ChunkId: TypeAlias = tuple[int, int]
"""The number of a campaign, and of a chunk in it."""


@dataclass(slots=True)
class Traffic:
    """What is on its way to one provider, and how that went of late."""

    in_flight: int
    circuit: Circuit
    added: int = 0
    """How many more are in flight than what is stored."""
    stored: Circuit = CLOSED

    def __post_init__(self) -> None:
        self.stored = self.circuit

    def add(self, number: int) -> None:
        self.in_flight += number
        self.added += number

    def objection(self, starting: int, *, limit: int, now: float) -> Recorded | None:
        """What speaks against so many more requests."""
        state = self.circuit.state(now)
        if state is CircuitState.OPEN:
            return Recorded.REFUSED
        most = 1 if state is CircuitState.PROBING else limit
        return Recorded.FULL if self.in_flight + starting > most else None

    def learn(self, health: str, *, now: float) -> None:
        self.circuit = self.circuit.after_failure(health, now=now) if health else CLOSED


@dataclass(slots=True)
class Known:
    """A chunk as it was last written or read; it still is so where its revision is the same."""

    chunk: Chunk
    revision: int
    own: set[int]
    """The messages that have rows of their own: a callback, or an earlier step, has moved them."""


@dataclass(slots=True)
class Work:
    """A chunk on its way through the steps, and what they moved and said."""

    chunk: Chunk
    revision: int
    own: set[int]
    provider_id: int
    traffic: Traffic
    campaign_state: str
    counts: Counter[MessageState] = field(default_factory=Counter)
    rows: list[dict[str, Any]] = field(default_factory=list)
    entries: list[LogEntry] = field(default_factory=list)
    esp_messages: list[EspMessage] = field(default_factory=list)
    is_changed: bool = False
    ends_campaign: bool = False

    def take(self, step: Step, *, now: float) -> Recorded:
        if self.chunk.epoch != step.key.epoch or self.chunk.state is ChunkState.DONE:
            return Recorded.TOO_LATE
        if step.starts is not None:
            if self.campaign_state != CampaignState.SENDING:
                return Recorded.REFUSED
            starting = len(step.change.formed)
            objection = self.traffic.objection(starting, limit=step.starts, now=now)
            if objection is not None:
                return objection
        if step.health is not None:
            self.traffic.learn(step.health, now=now)
        self.become(self.chunk.apply(step.change))
        for move in step.moves:
            self.move(move, now=now)
        for entry in step.entries:
            self._say(entry)
        self.esp_messages += step.esp_messages
        return Recorded.STORED

    def become(self, chunk: Chunk) -> None:
        """The chunk as it is now, and with it what is in flight."""
        self.traffic.add(_flying(chunk) - _flying(self.chunk))
        self.chunk = chunk
        self.is_changed = True

    def move(self, move: Move, *, now: float) -> None:
        """Counts a move, less the messages that a callback has moved meanwhile."""
        ordinals = [ordinal for ordinal in move.ordinals if ordinal not in self.own]
        if move.new is MessageState.UNKNOWN:
            # No answer came, and a callback has proved that the ESP took them.
            self.say_sent([o for o in move.ordinals if o in self.own], now=now)
        self.counts[move.old] -= len(ordinals)
        self.counts[move.new] += len(ordinals)
        if move.new not in _PLAIN:
            self.own.update(ordinals)
            self.rows += (_row(self.chunk, ordinal, move, now) for ordinal in ordinals)

    def say_sent(self, ordinals: Sequence[int], *, now: float) -> None:
        if ordinals:
            self._say(sent_entry(self.chunk.campaign_number, ordinals, at=now))

    def known(self) -> Known:
        """The chunk once it is written."""
        return Known(self.chunk, self.revision + 1, self.own)

    def _say(self, entry: LogEntry) -> None:
        """What is said of many messages at once is one entry, however they were sent."""
        for i, said in enumerate(self.entries):
            if (said.kind, said.reason) == (entry.kind, entry.reason):
                self.entries[i] = replace(entry, ordinals=(*said.ordinals, *entry.ordinals))
                return
        self.entries.append(entry)


def _flying(chunk: Chunk) -> int:
    return sum(request.posting for request in chunk.requests)


def _row(chunk: Chunk, ordinal: int, move: Move, now: float) -> dict[str, Any]:
    return {
        "campaign_number": chunk.campaign_number,
        "ordinal": ordinal,
        "state": move.new.code,
        "reason": move.reason,
        "detail": move.detail,
        "updated_at": now,
        "lost_at": now if move.new is MessageState.UNKNOWN else None,
    }
