"""Statements that find entries of the event log."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from adapters.sql import schema
from adapters.sql.event_rows import stored_entries
from domain.chunk import CHUNK_SIZE
from domain.event_filter import EventFilter
from domain.events import EntryKind
from domain.message_id import MessageKind, MessageRef

_events, _providers = schema.events, schema.providers


def entries_at(
    positions: range, where: EventFilter, *, limit: int, newest_first: bool
) -> Select[Any]:
    """Entries that may hold what `where` wants, for `entry_of`."""
    position: ColumnElement[int] = _events.c.position
    if where.message is not None:
        # A message has a handful of entries. As a sum the position is no use to an index, and so
        # the database takes that of messages, and not one that leads through a whole campaign.
        position = position + 0
    return (
        stored_entries()
        .where(position >= positions.start, position < positions.stop, *_conditions(where))
        .order_by(position.desc() if newest_first else position)
        .limit(limit)
    )


def position_at(connection: Connection, time: float) -> int:
    """By halves: times are nearly in the order of positions, and need no index of their own."""
    end = select(schema.installation.c.last_position)
    low, high = 0, int(connection.execute(end).scalar_one())
    while low < high:
        middle = (low + high + 1) // 2
        # Not at the position itself, where there may be nothing any more.
        found = select(_events.c.received_at).where(_events.c.position >= middle)
        first = found.order_by(_events.c.position).limit(1)
        if connection.execute(first).scalar_one() < time:
            low = middle
        else:
            high = middle - 1
    return low


def _conditions(where: EventFilter) -> Iterator[ColumnElement[bool]]:
    if where.campaign_number is not None:
        yield _events.c.message_kind == int(MessageKind.CAMPAIGN)
        yield _events.c.number == where.campaign_number
    if where.message is not None:
        yield from _of_message(where.message)
    if where.provider:
        # Also one that was deleted, and its namesakes.
        yield func.lower(_providers.c.nickname) == where.provider
    if where.types:
        outcomes = [kind.value for kind in where.outcomes]
        callbacks = [callback.value for callback in where.callbacks]
        yield or_(_events.c.kind.in_(outcomes), _events.c.callback_type.in_(callbacks))
    if where.test is not None:
        test = int(MessageKind.TEST)
        kind = _events.c.message_kind
        yield kind == test if where.test else kind != test
    if where.received_from is not None:
        yield _events.c.received_at >= where.received_from
    if where.received_before is not None:
        yield _events.c.received_at < where.received_before


def _of_message(message: MessageRef) -> Iterator[ColumnElement[bool]]:
    """The callbacks of a message, and the entries that begin before it within its chunk."""
    first = message.ordinal // CHUNK_SIZE * CHUNK_SIZE
    yield _events.c.message_kind == int(message.kind)
    yield _events.c.number == message.number
    yield _events.c.ordinal.between(first, message.ordinal)
    yield or_(_events.c.kind != EntryKind.CALLBACK.value, _events.c.ordinal == message.ordinal)
