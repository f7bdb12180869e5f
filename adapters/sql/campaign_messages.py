"""The messages of a campaign, each with the state that follows from what is stored."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql import schema
from adapters.sql.campaign_rows import count_column
from adapters.sql.chunk_rows import read_chunk
from adapters.sql.recipients_codec import decode, decode_where
from domain.campaign import Recipient
from domain.chunk import CHUNK_SIZE
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
    wanted = [(first + i, recipient) for i, recipient in _wanted(chunk.body, email_key)]
    spoken = {ordinal: MessageState.of(row.state) for ordinal, row in own.items()}
    states = read_chunk(chunk).states((ordinal for ordinal, _ in wanted), spoken)
    for ordinal, recipient in wanted:
        row = own.get(ordinal)
        if row is None:
            yield MessageRow(ordinal, recipient, states[ordinal], "", "", None)
        else:
            said = (row.reason, row.detail, row.updated_at, row.lost_at)
            yield MessageRow(ordinal, recipient, states[ordinal], *said)


def _wanted(body: bytes, email_key: str) -> list[tuple[int, Recipient]]:
    return decode_where(body, email_key) if email_key else list(enumerate(decode(body)))
