"""The messages of a campaign, each with the state that follows from what is stored.

A row of its own comes first; then a request that is being posted; then the chunk.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql import schema
from adapters.sql.campaign_rows import count_column
from adapters.sql.chunk_rows import read_requests
from adapters.sql.recipients_codec import decode, decode_where
from domain.campaign import Recipient
from domain.chunk import CHUNK_SIZE, ChunkState, bits_of
from domain.message import MessageState
from services.ports import MessageRow

_chunks, _messages, _recipients = schema.chunks, schema.messages, schema.recipients


async def next_chunk(
    connection: AsyncConnection, number: int, *, after: int, states: Collection[MessageState]
) -> Row[Any] | None:
    """The first chunk, with its recipients, that may have a message of `states` behind `after`."""
    same = (_recipients.c.campaign_number == _chunks.c.campaign_number) & (
        _recipients.c.chunk_number == _chunks.c.number
    )
    found = select(_chunks, _recipients.c.body).join_from(_chunks, _recipients, same)
    found = found.where(
        _chunks.c.campaign_number == number, _chunks.c.number >= (after + 1) // CHUNK_SIZE
    )
    if states:
        found = found.where(_holds_any(states))
    return (await connection.execute(found.order_by(_chunks.c.number).limit(1))).one_or_none()


def _holds_any(states: Collection[MessageState]) -> ColumnElement[bool]:
    first, *others = [count_column(state) for state in states]
    return sum(others, start=first) > 0


async def own_rows(connection: AsyncConnection, chunk: Row[Any]) -> Mapping[int, Row[Any]]:
    """The rows of those messages of the chunk that have one, by ordinal."""
    first = chunk.number * CHUNK_SIZE
    mine = _messages.c.campaign_number == chunk.campaign_number
    mine &= _messages.c.ordinal.between(first, first + chunk.size - 1)
    rows = (await connection.execute(select(_messages).where(mine))).all()
    return {row.ordinal: row for row in rows}


def messages_of(
    chunk: Row[Any], own: Mapping[int, Row[Any]], *, email_key: str
) -> Iterator[MessageRow]:
    """The messages of a chunk in order; with an `email_key`, those to this address alone."""
    first = chunk.number * CHUNK_SIZE
    opened = int.from_bytes(chunk.open, "little")
    posting = _posting(chunk)
    waits = MessageState.CANCELLED if chunk.state == ChunkState.DONE else MessageState.QUEUED
    for i, recipient in _wanted(chunk.body, email_key):
        row = own.get(first + i)
        if row is not None:
            yield _spoken(row, recipient)
            continue
        if posting >> i & 1:
            state = MessageState.SENDING
        else:
            state = waits if opened >> i & 1 else MessageState.ACCEPTED
        yield MessageRow(first + i, recipient, state, "", "", None)


def _wanted(body: bytes, email_key: str) -> list[tuple[int, Recipient]]:
    return decode_where(body, email_key) if email_key else list(enumerate(decode(body)))


def _spoken(row: Row[Any], recipient: Recipient) -> MessageRow:
    state = MessageState.of(row.state)
    said = (row.reason, row.detail, row.updated_at, row.lost_at)
    return MessageRow(row.ordinal, recipient, state, *said)


def _posting(chunk: Row[Any]) -> int:
    requests = read_requests(chunk.requests)
    ordinals = (ordinal for one in requests if one.posting for ordinal in one.ordinals)
    return bits_of(ordinals, chunk.number * CHUNK_SIZE)
