"""One step of a worker, within the transaction that makes it durable."""

from typing import Any

import orjson
from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql import schema
from adapters.sql.cancellation import cancel_queued
from adapters.sql.chunk_rows import chunk_values
from domain.campaign import CampaignState
from domain.chunk import Chunk, ChunkState
from domain.events import LogEntry
from domain.message import MessageState
from services.ports import Move, Step

_chunks, _campaigns, _messages = schema.chunks, schema.campaigns, schema.messages

# The states that a chunk can speak for; a message in any other has a row of its own.
_PLAIN = frozenset({MessageState.QUEUED, MessageState.SENDING, MessageState.ACCEPTED})


async def store_step(connection: AsyncConnection, step: Step, *, now: float) -> bool:
    """False, and nothing stored, when the step came too late."""
    chunk = step.chunk
    is_new = any(move.new is MessageState.SENDING for move in step.moves)
    if is_new and not await _is_sending(connection, chunk):
        return False
    fenced = _this(chunk) & (_chunks.c.epoch == chunk.epoch)
    result = await connection.execute(update(_chunks).where(fenced).values(chunk_values(chunk)))
    if result.rowcount == 0:
        return False
    for move in step.moves:
        await moved(connection, chunk, move, now=now)
    for entry in step.entries:
        await _append(connection, chunk, entry)
    if chunk.state is ChunkState.DONE:
        await settle_campaign(connection, chunk, now=now)
    elif chunk.state is ChunkState.READY:
        await end_if_cancelled(connection, chunk, now=now)
    return True


async def end_if_cancelled(connection: AsyncConnection, chunk: Chunk, *, now: float) -> None:
    """A chunk that comes back from its worker after its campaign was cancelled is not sent."""
    if await _state(connection, chunk) == CampaignState.CANCELLED:
        await cancel_queued(connection, chunk.campaign_number, now=now)


async def moved(connection: AsyncConnection, chunk: Chunk, move: Move, *, now: float) -> None:
    """Counts a move, less the messages that a callback has moved meanwhile."""
    own = await own_ordinals(connection, chunk)
    ordinals = [ordinal for ordinal in move.ordinals if ordinal not in own]
    old, new = (_chunks.c[state.value.lower()] for state in (move.old, move.new))
    counts = {old.name: old - len(ordinals), new.name: new + len(ordinals)}
    await connection.execute(update(_chunks).where(_this(chunk)).values(counts))
    if move.new not in _PLAIN and ordinals:
        rows = [_row(chunk, ordinal, move, now) for ordinal in ordinals]
        await connection.execute(insert(_messages), rows)


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


async def _is_sending(connection: AsyncConnection, chunk: Chunk) -> bool:
    return await _state(connection, chunk) == CampaignState.SENDING


async def _state(connection: AsyncConnection, chunk: Chunk) -> str | None:
    found = select(_campaigns.c.state).where(_campaigns.c.number == chunk.campaign_number)
    return await connection.scalar(found)


async def _append(connection: AsyncConnection, chunk: Chunk, entry: LogEntry) -> None:
    """Positions are given out here, so that entries become visible in their order."""
    head = schema.installation
    raised = update(head).values(last_position=head.c.last_position + 1)
    position = await connection.scalar(raised.returning(head.c.last_position))
    provider_id = select(_campaigns.c.provider_id).where(
        _campaigns.c.number == chunk.campaign_number
    )
    row = {
        "position": position,
        "kind": entry.kind.value,
        "provider_id": await connection.scalar(provider_id),
        "message_kind": entry.message_kind,
        "number": entry.number,
        "ordinal": entry.ordinals[0],
        "ordinals": orjson.dumps(_ranges(entry.ordinals)).decode(),
        "reason": entry.reason,
        "occurred_at": entry.occurred_at,
        "received_at": entry.received_at,
    }
    await connection.execute(insert(schema.events).values(row))


def _ranges(ordinals: tuple[int, ...]) -> list[list[int]]:
    """Ascending runs [[first, last], ...], in the order given."""
    ranges: list[list[int]] = []
    for ordinal in ordinals:
        if ranges and ranges[-1][1] == ordinal - 1:
            ranges[-1][1] = ordinal
        else:
            ranges.append([ordinal, ordinal])
    return ranges


def _row(chunk: Chunk, ordinal: int, move: Move, now: float) -> dict[str, Any]:
    return {
        "campaign_number": chunk.campaign_number,
        "ordinal": ordinal,
        "state": move.new.code,
        "reason": move.reason,
        "detail": move.detail,
        "updated_at": now,
    }


def _this(chunk: Chunk) -> ColumnElement[bool]:
    campaign_number, number = chunk.campaign_number, chunk.number
    return (_chunks.c.campaign_number == campaign_number) & (_chunks.c.number == number)
