"""The steps of workers, within the transaction that makes them durable.

All steps of one chunk share its row: it is read once, changed in memory and written once, however
many of its messages have moved.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql import schema
from adapters.sql.cancellation import cancel_queued
from adapters.sql.chunk_rows import chunk_values, read_chunk
from adapters.sql.event_rows import append_entries, sent_entry
from domain.campaign import CampaignState
from domain.chunk import Chunk, ChunkState
from domain.events import LogEntry
from domain.message import MessageState
from services.ports import Move, Recorded, Step

_chunks, _campaigns, _messages = schema.chunks, schema.campaigns, schema.messages
_providers = schema.providers

# The states that a chunk can speak for; a message in any other has a row of its own.
_PLAIN = frozenset({MessageState.QUEUED, MessageState.SENDING, MessageState.ACCEPTED})


@dataclass(slots=True)
class Flights:
    """The requests in flight to one provider, and how many more they are than what is stored."""

    count: int
    change: int = 0

    def add(self, number: int) -> None:
        self.count += number
        self.change += number


@dataclass(slots=True)
class Work:
    """A chunk on its way through the steps, and what they moved and said."""

    chunk: Chunk
    provider_id: int
    flights: Flights
    campaign_state: str
    # The messages that have rows of their own: a callback, or an earlier step, has moved them.
    own: set[int]
    counts: Counter[MessageState] = field(default_factory=Counter)
    rows: list[dict[str, Any]] = field(default_factory=list)
    entries: list[LogEntry] = field(default_factory=list)

    def take(self, step: Step, *, now: float) -> Recorded:
        if step.starts is not None:
            if self.campaign_state != CampaignState.SENDING:
                return Recorded.REFUSED
            if self.flights.count >= step.starts:
                return Recorded.FULL
        self.become(self.chunk.apply(step.change))
        for move in step.moves:
            self.move(move, now=now)
        for entry in step.entries:
            self._say(entry)
        return Recorded.STORED

    def become(self, chunk: Chunk) -> None:
        """The chunk as it is now, and with it what is in flight."""
        self.flights.add(_flying(chunk) - _flying(self.chunk))
        self.chunk = chunk

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

    def _say(self, entry: LogEntry) -> None:
        """What is said of many messages at once is one entry, however they were sent."""
        for i, said in enumerate(self.entries):
            if (said.kind, said.reason) == (entry.kind, entry.reason):
                self.entries[i] = replace(entry, ordinals=(*said.ordinals, *entry.ordinals))
                return
        self.entries.append(entry)


async def store_steps(
    connection: AsyncConnection, steps: Sequence[Step], *, now: float
) -> list[Recorded]:
    works: dict[tuple[int, int], Work] = {}
    flights: dict[int, Flights] = {}
    results: list[Recorded] = []
    for step in steps:
        key = step.key[:2]
        if key not in works:
            works[key] = await open_work(connection, *key, flights)
        work = works[key]
        late = work.chunk.epoch != step.key.epoch or work.chunk.state is ChunkState.DONE
        results.append(Recorded.TOO_LATE if late else work.take(step, now=now))
    stored = {s.key[:2] for s, r in zip(steps, results, strict=True) if r is Recorded.STORED}
    for key in stored:
        await close_work(connection, works[key], now=now)
    for provider_id, flight in flights.items():
        await store_flights(connection, provider_id, flight)
    return results


async def open_work(
    connection: AsyncConnection, campaign_number: int, number: int, flights: dict[int, Flights]
) -> Work:
    this = and_(_chunks.c.campaign_number == campaign_number, _chunks.c.number == number)
    row = (await connection.execute(chunks_at_work().where(this).with_for_update())).one()
    return await work_on(connection, row, flights)


def chunks_at_work() -> Select[Any]:
    """Chunks, with what `work_on` wants to know of their campaigns and providers."""
    return (
        select(
            _chunks,
            _campaigns.c.provider_id,
            _campaigns.c.guarantee,
            _campaigns.c.state.label("campaign_state"),
            _providers.c.in_flight,
        )
        .join(_campaigns, _campaigns.c.number == _chunks.c.campaign_number)
        .join(_providers, _providers.c.id == _campaigns.c.provider_id)
    )


async def work_on(connection: AsyncConnection, row: Row[Any], flights: dict[int, Flights]) -> Work:
    chunk = read_chunk(row)
    return Work(
        chunk=chunk,
        provider_id=row.provider_id,
        flights=flights.setdefault(row.provider_id, Flights(row.in_flight)),
        campaign_state=row.campaign_state,
        own=await own_ordinals(connection, chunk),
    )


async def store_flights(connection: AsyncConnection, provider_id: int, flights: Flights) -> None:
    if flights.change:
        this = update(_providers).where(_providers.c.id == provider_id)
        in_flight = _providers.c.in_flight + flights.change
        await connection.execute(this.values(in_flight=in_flight))


async def close_work(
    connection: AsyncConnection, work: Work, *, now: float, **values: object
) -> None:
    """Writes what has come of a chunk; `values` are columns besides those of the steps."""
    chunk = work.chunk
    counts = {
        state.value.lower(): _chunks.c[state.value.lower()] + change
        for state, change in work.counts.items()
        if change
    }
    changed = update(_chunks).where(_this(chunk))
    await connection.execute(changed.values({**chunk_values(chunk), **counts, **values}))
    if work.rows:
        await connection.execute(insert(_messages), work.rows)
    if work.entries:
        await append_entries(connection, work.provider_id, work.entries)
    if chunk.state is ChunkState.DONE:
        await settle_campaign(connection, chunk, now=now)
    elif chunk.state is ChunkState.READY and work.campaign_state == CampaignState.CANCELLED:
        # It comes back from its worker after its campaign was cancelled, and is not sent.
        await cancel_queued(connection, chunk.campaign_number, now=now)


async def own_ordinals(connection: AsyncConnection, chunk: Chunk) -> set[int]:
    """The messages of the chunk that have a row of their own."""
    mine = _messages.c.campaign_number == chunk.campaign_number
    mine &= _messages.c.ordinal.between(chunk.first, chunk.first + chunk.size - 1)
    return set((await connection.execute(select(_messages.c.ordinal).where(mine))).scalars())


async def settle_campaign(connection: AsyncConnection, chunk: Chunk, *, now: float) -> None:
    """Ends the campaign when no chunk of it is left."""
    left = select(_chunks.c.number).where(
        _chunks.c.campaign_number == chunk.campaign_number, _chunks.c.state != ChunkState.DONE
    )
    sending = (_campaigns.c.number == chunk.campaign_number) & (
        _campaigns.c.state == CampaignState.SENDING.value
    )
    ended = update(_campaigns).where(sending, ~left.exists())
    completed = {"state": CampaignState.COMPLETED.value, "state_reason": "", "ended_at": now}
    await connection.execute(ended.values(completed))


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


def _this(chunk: Chunk) -> ColumnElement[bool]:
    campaign_number, number = chunk.campaign_number, chunk.number
    return and_(_chunks.c.campaign_number == campaign_number, _chunks.c.number == number)
