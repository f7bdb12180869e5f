"""Applies what the log says to messages, counts and suppressions.

Callbacks are only appended when they come in; they are folded behind that in large transactions,
each of which moves `folded_position` on: every entry is applied once, whatever dies.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Row, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql import recipients_codec, schema
from adapters.sql.chunk_rows import read_chunk
from adapters.sql.event_rows import append_entries, entry_of, sent_entry
from adapters.sql.suppressions import add_suppressions
from domain.address import address_key
from domain.callback import SUPPRESSES
from domain.campaign import Recipient
from domain.chunk import CHUNK_SIZE, Chunk
from domain.events import EntryKind, LogEntry
from domain.message import MessageState, after_callback, before_callback
from domain.message_id import MessageKind
from domain.suppression import Suppression

_events, _installation, _providers = schema.events, schema.installation, schema.providers
_chunks, _messages = schema.chunks, schema.messages


async def fold_entries(connection: AsyncConnection, *, limit: int, now: float) -> int:
    """Folds up to `limit` entries; how many are left."""
    head = (await connection.execute(select(_installation).with_for_update())).one()
    found = (
        select(_events, _providers.c.nickname)
        .join(_providers, _providers.c.id == _events.c.provider_id)
        .where(_events.c.position > head.folded_position)
        .order_by(_events.c.position)
        .limit(limit)
    )
    entries = [entry_of(row) for row in await connection.execute(found)]
    if not entries:
        return 0
    suppressed: list[Suppression] = []
    for (number, chunk_number), of_chunk in _by_chunk(entries).items():
        await _move(connection, number, chunk_number, of_chunk, now=now)
        suppressed += await _suppressed(connection, number, chunk_number, of_chunk, now=now)
    # The first event that suppresses an address gives the reason, in whatever chunk it is.
    suppressed.sort(key=lambda one: one.event_position or 0)
    await add_suppressions(connection, suppressed)
    folded = entries[-1].position
    await connection.execute(update(_installation).values(folded_position=folded))
    # Read again: what is folded may have added to the log.
    last = await connection.scalar(select(_installation.c.last_position))
    return int(last or 0) - folded


def _by_chunk(entries: Sequence[LogEntry]) -> Mapping[tuple[int, int], list[LogEntry]]:
    """The callbacks of campaigns' messages; those of test emails move nothing."""
    chunks: dict[tuple[int, int], list[LogEntry]] = defaultdict(list)
    for entry in entries:
        if entry.kind is EntryKind.CALLBACK and entry.message_kind is MessageKind.CAMPAIGN:
            chunks[entry.number, entry.message.ordinal // CHUNK_SIZE].append(entry)
    return chunks


async def _move(
    connection: AsyncConnection,
    number: int,
    chunk_number: int,
    entries: Sequence[LogEntry],
    *,
    now: float,
) -> None:
    this = and_(_chunks.c.campaign_number == number, _chunks.c.number == chunk_number)
    row = (await connection.execute(select(_chunks).where(this).with_for_update())).one()
    before, own = await _states(connection, read_chunk(row), entries)
    reasons = {ordinal: found.reason for ordinal, found in own.items()}
    known = {o: before_callback(state, reasons.get(o, "")) for o, state in before.items()}
    after = dict(known)
    details: dict[int, str] = {}
    for entry in entries:
        ordinal, callback = entry.message.ordinal, entry.callback_type
        state = after[ordinal] if callback is None else after_callback(after[ordinal], callback)
        if state is not after[ordinal]:
            after[ordinal], details[ordinal] = state, entry.description or ""
    moved = {ordinal: after[ordinal] for ordinal in details}
    if not moved:
        return
    proved = sorted(ordinal for ordinal in moved if known[ordinal] is MessageState.UNKNOWN)
    if proved:
        # The ESP took them, as its answer would have said.
        provider_id = await _provider_id(connection, number)
        sent = sent_entry(number, proved, at=now)
        await connection.run_sync(append_entries, [(provider_id, sent)])
    lost = {ordinal: found.lost_at for ordinal, found in own.items()}
    rows = [_row(number, o, state, details[o], lost.get(o), now) for o, state in moved.items()]
    await connection.execute(delete(_messages).where(_of(number, list(moved))))
    await connection.execute(insert(_messages), rows)
    await _count(connection, this, [(before[o], state) for o, state in moved.items()])


async def _count(
    connection: AsyncConnection,
    this: ColumnElement[bool],
    moves: Sequence[tuple[MessageState, MessageState]],
) -> None:
    """Counts moves from one state to another in the chunk's columns."""
    counts: dict[str, int] = defaultdict(int)
    for old, new in moves:
        counts[old.value.lower()] -= 1
        counts[new.value.lower()] += 1
    values = {name: _chunks.c[name] + change for name, change in counts.items()}
    values["revision"] = _chunks.c.revision + 1
    await connection.execute(update(_chunks).where(this).values(values))


async def _states(
    connection: AsyncConnection, chunk: Chunk, entries: Sequence[LogEntry]
) -> tuple[dict[int, MessageState], dict[int, Row[Any]]]:
    """Where the messages of these entries stand, and the rows of those that have one."""
    ordinals = sorted({entry.message.ordinal for entry in entries})
    found = select(_messages).where(_of(chunk.campaign_number, ordinals))
    rows = {row.ordinal: row for row in await connection.execute(found)}
    own = {ordinal: MessageState.of(row.state) for ordinal, row in rows.items()}
    return chunk.states(ordinals, own), rows


async def _suppressed(
    connection: AsyncConnection,
    number: int,
    chunk_number: int,
    entries: Sequence[LogEntry],
    *,
    now: float,
) -> list[Suppression]:
    bad = [e for e in entries if e.callback_type and SUPPRESSES[e.callback_type] is not None]
    if not bad:
        return []
    recipients = schema.recipients
    found = select(recipients.c.body).where(
        recipients.c.campaign_number == number, recipients.c.chunk_number == chunk_number
    )
    people = recipients_codec.decode((await connection.execute(found)).scalar_one())
    copies = await _copies(connection, number)
    return [_suppression(entry, people, copies, now) for entry in bad]


async def _provider_id(connection: AsyncConnection, number: int) -> int:
    found = select(schema.campaigns.c.provider_id).where(schema.campaigns.c.number == number)
    return int((await connection.execute(found)).scalar_one())


async def _copies(connection: AsyncConnection, number: int) -> set[str]:
    """The keys of the cc and bcc addresses of a campaign."""
    found = select(schema.campaigns.c.envelope).where(schema.campaigns.c.number == number)
    envelope = orjson.loads((await connection.execute(found)).scalar_one())
    return {address_key(email) for email in (*envelope["cc"], *envelope["bcc"])}


def _suppression(
    entry: LogEntry, people: Sequence[Recipient], copies: set[str], now: float
) -> Suppression:
    """Of the person whom the ESP speaks of: one who got a copy, else the message's recipient."""
    callback, ordinal = entry.callback_type, entry.message.ordinal
    reason = None if callback is None else SUPPRESSES[callback]
    if callback is None or reason is None:
        raise ValueError(f"log entry {entry.position} suppresses nobody")
    is_copy = address_key(entry.email) in copies
    email = entry.email if is_copy else people[ordinal % CHUNK_SIZE].email
    return Suppression(
        email=email,
        key=address_key(email),
        reason=reason,
        detail=entry.description or callback.value,
        event_position=entry.position,
        campaign_number=entry.number,
        ordinal=ordinal,
        provider=entry.provider,
        created_at=now,
    )


def _of(number: int, ordinals: Sequence[int]) -> ColumnElement[bool]:
    return and_(_messages.c.campaign_number == number, _messages.c.ordinal.in_(ordinals))


def _row(
    number: int,
    ordinal: int,
    state: MessageState,
    detail: str,
    lost_at: float | None,
    now: float,
) -> dict[str, Any]:
    return {
        "campaign_number": number,
        "ordinal": ordinal,
        "state": state.code,
        "reason": "",
        "detail": detail,
        "updated_at": now,
        "lost_at": lost_at,
    }
