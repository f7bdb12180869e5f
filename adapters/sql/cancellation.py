"""The end of a campaign that is cancelled: what is queued will not be sent.

A chunk that waits is done at once, and its open messages count as cancelled: its row says so. A
chunk that is being posted belongs to its worker until the requests in flight have ended, so that
its queued messages get rows of their own, which outweigh whatever the worker still believes.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, insert, select, update

from adapters.sql import schema
from adapters.sql.chunk_rows import read_requests, write_requests
from domain.chunk import CHUNK_SIZE, ChunkState, OpenRequest, bits_of, ordinals_of
from domain.message import MessageState

_chunks, _messages = schema.chunks, schema.messages
_LOST = "the campaign was cancelled while the outcome of this message's request was in doubt"


def cancel_queued(connection: Connection, number: int, *, now: float) -> None:
    """Every queued message of the campaign becomes CANCELLED."""
    formed = (_chunks.c.state != ChunkState.DONE) & (_chunks.c.requests != "[]")
    found = select(_chunks).where((_chunks.c.campaign_number == number) & formed)
    for chunk in (connection.execute(found)).all():
        _settle_formed(connection, chunk, now=now)
    _end_waiting(connection, number)


def _end_waiting(connection: Connection, number: int) -> None:
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
    connection.execute(ended.values(values))


def _settle_formed(connection: Connection, chunk: Row[Any], *, now: float) -> None:
    """Gives rows to messages of a chunk with requests, where the chunk cannot speak for them."""
    requests = read_requests(chunk.requests)
    unspoken = int.from_bytes(chunk.open, "little") & ~_own_rows(connection, chunk)
    flying = tuple(one for one in requests if one.posting)
    waiting = unspoken & ~_bits(chunk, flying)
    # Nobody will repeat these requests to learn what became of them.
    lost = waiting & _bits(chunk, [one for one in requests if one.doubtful])
    _move(connection, chunk, lost, MessageState.UNKNOWN, _LOST, now)
    if chunk.state == ChunkState.POSTING:
        _move(connection, chunk, waiting & ~lost, MessageState.CANCELLED, "", now)
        lost = waiting
    values = {
        "open": _without(chunk.open, lost),
        "requests": write_requests(flying),
        "revision": chunk.revision + 1,
    }
    connection.execute(update(_chunks).where(_this(chunk)).values(values))


def _bits(chunk: Row[Any], requests: Iterable[OpenRequest]) -> int:
    return bits_of((o for one in requests for o in one.ordinals), chunk.number * CHUNK_SIZE)


def _move(
    connection: Connection,
    chunk: Row[Any],
    bits: int,
    state: MessageState,
    detail: str,
    now: float,
) -> None:
    """Counts queued messages under `state`, and gives each a row that says so."""
    ordinals = list(ordinals_of(bits, chunk.number * CHUNK_SIZE))
    _add_rows(connection, chunk, ordinals, state, detail, now)
    new = _chunks.c[state.value.lower()]
    counts = {"queued": _chunks.c.queued - len(ordinals), new.name: new + len(ordinals)}
    connection.execute(update(_chunks).where(_this(chunk)).values(counts))


def _this(chunk: Row[Any]) -> ColumnElement[bool]:
    campaign_number, number = chunk.campaign_number, chunk.number
    return and_(_chunks.c.campaign_number == campaign_number, _chunks.c.number == number)


def _own_rows(connection: Connection, chunk: Row[Any]) -> int:
    """The messages of the chunk that have a row already, as a bit set."""
    first = chunk.number * CHUNK_SIZE
    mine = _messages.c.campaign_number == chunk.campaign_number
    mine &= _messages.c.ordinal.between(first, first + CHUNK_SIZE - 1)
    ordinals = (connection.execute(select(_messages.c.ordinal).where(mine))).scalars()
    return bits_of(ordinals, first)


def _add_rows(
    connection: Connection,
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
        connection.execute(insert(_messages), rows)


def _without(bits: bytes, gone: int) -> bytes:
    return (int.from_bytes(bits, "little") & ~gone).to_bytes(len(bits), "little")
