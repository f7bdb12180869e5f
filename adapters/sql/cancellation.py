"""The end of a campaign that is cancelled: what is queued will not be sent.

A chunk that waits is done at once, and its open messages count as cancelled: its row says so. A
chunk that is being posted belongs to its worker until the requests in flight have ended, so that
its queued messages get rows of their own, which outweigh whatever the worker still believes.
"""

from typing import Any

import orjson
from sqlalchemy import ColumnElement, Row, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql import schema
from domain.chunk import CHUNK_SIZE, ChunkState, bits_of, ordinals_of
from domain.message import MessageState

_chunks, _messages = schema.chunks, schema.messages
_LOST = "the campaign was cancelled while the outcome of this message's request was in doubt"


async def cancel_queued(connection: AsyncConnection, number: int, *, now: float) -> None:
    """Every queued message of the campaign becomes CANCELLED."""
    formed = (_chunks.c.state != ChunkState.DONE) & (_chunks.c.requests != "[]")
    found = select(_chunks).where((_chunks.c.campaign_number == number) & formed)
    for chunk in (await connection.execute(found)).all():
        await _settle_formed(connection, chunk, now=now)
    await _end_waiting(connection, number)


async def _end_waiting(connection: AsyncConnection, number: int) -> None:
    # A higher epoch: what a worker that holds one of these still records comes too late.
    waiting = _chunks.c.state.in_((ChunkState.PLANNED, ChunkState.READY, ChunkState.CLAIMED))
    ended = update(_chunks).where((_chunks.c.campaign_number == number) & waiting)
    values = {
        "state": ChunkState.DONE,
        "epoch": _chunks.c.epoch + 1,
        "worker": "",
        "lease_until": 0.0,
        "requests": "[]",
        "cancelled": _chunks.c.cancelled + _chunks.c.queued,
        "queued": 0,
    }
    await connection.execute(ended.values(values))


async def _settle_formed(connection: AsyncConnection, chunk: Row[Any], *, now: float) -> None:
    """Gives rows to messages of a chunk with requests, where the chunk cannot speak for them."""
    requests = orjson.loads(chunk.requests)
    unspoken = int.from_bytes(chunk.open, "little") & ~await _own_rows(connection, chunk)
    flying = [one for one in requests if one["posting"]]
    waiting = unspoken & ~_bits(chunk, flying)
    # Nobody will repeat these requests to learn what became of them.
    lost = waiting & _bits(chunk, [one for one in requests if one["doubtful"]])
    await _move(connection, chunk, lost, MessageState.UNKNOWN, _LOST, now)
    if chunk.state == ChunkState.POSTING:
        await _move(connection, chunk, waiting & ~lost, MessageState.CANCELLED, "", now)
        lost = waiting
    values = {"open": _without(chunk.open, lost), "requests": orjson.dumps(flying).decode()}
    await connection.execute(update(_chunks).where(_this(chunk)).values(values))


def _bits(chunk: Row[Any], requests: list[dict[str, Any]]) -> int:
    return bits_of((o for one in requests for o in one["ordinals"]), chunk.number * CHUNK_SIZE)


async def _move(
    connection: AsyncConnection,
    chunk: Row[Any],
    bits: int,
    state: MessageState,
    detail: str,
    now: float,
) -> None:
    """Counts queued messages under `state`, and gives each a row that says so."""
    ordinals = list(ordinals_of(bits, chunk.number * CHUNK_SIZE))
    await _add_rows(connection, chunk, ordinals, state, detail, now)
    new = _chunks.c[state.value.lower()]
    counts = {"queued": _chunks.c.queued - len(ordinals), new.name: new + len(ordinals)}
    await connection.execute(update(_chunks).where(_this(chunk)).values(counts))


def _this(chunk: Row[Any]) -> ColumnElement[bool]:
    campaign_number, number = chunk.campaign_number, chunk.number
    return and_(_chunks.c.campaign_number == campaign_number, _chunks.c.number == number)


async def _own_rows(connection: AsyncConnection, chunk: Row[Any]) -> int:
    """The messages of the chunk that have a row already, as a bit set."""
    first = chunk.number * CHUNK_SIZE
    mine = _messages.c.campaign_number == chunk.campaign_number
    mine &= _messages.c.ordinal.between(first, first + CHUNK_SIZE - 1)
    ordinals = (await connection.execute(select(_messages.c.ordinal).where(mine))).scalars()
    return bits_of(ordinals, first)


async def _add_rows(
    connection: AsyncConnection,
    chunk: Row[Any],
    ordinals: list[int],
    state: MessageState,
    detail: str,
    now: float,
) -> None:
    rows = [
        {
            "campaign_number": chunk.campaign_number,
            "ordinal": ordinal,
            "state": state.code,
            "reason": "CAMPAIGN_CANCELLED",
            "detail": detail,
            "updated_at": now,
            "lost_at": now if state is MessageState.UNKNOWN else None,
        }
        for ordinal in ordinals
    ]
    if rows:
        await connection.execute(insert(_messages), rows)


def _without(bits: bytes, gone: int) -> bytes:
    return (int.from_bytes(bits, "little") & ~gone).to_bytes(len(bits), "little")
