"""Log entries as rows, and callback events on their way into the log."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Row, Select, bindparam, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql import schema
from adapters.sql.prepared import Prepared
from domain.callback import UNKNOWN_META, Attributed, CallbackType, Unprocessed
from domain.events import EntryKind, LogEntry
from domain.message_id import MessageKind, MessageRef

# Four parameters to each key: well below the 32,766 that SQLite and PostgreSQL both take.
_KEYS_AT_ONCE = 500

_events, _installation, _campaigns = schema.events, schema.installation, schema.campaigns
_tests, _unprocessed, _providers = schema.test_messages, schema.unprocessed_events, schema.providers


class _Key(NamedTuple):
    """Two events with one key are one event."""

    kind: int
    number: int
    ordinal: int
    digest: int


async def store_callbacks(
    connection: AsyncConnection,
    provider_id: int,
    events: Sequence[Attributed],
    unprocessed: Sequence[Unprocessed],
    *,
    received_at: float,
) -> list[Attributed]:
    """Stores what is new, and returns the events whose message is none of this provider's."""
    # The lock comes first: whoever looks for repeats must see all that was appended before.
    last = await _lock_log(connection)
    sizes = await _sizes(connection, provider_id, [item.message for item in events])
    foreign = [item for item in events if not _is_known(item.message, sizes)]
    known: dict[_Key, Attributed] = {}
    for item in events:
        if _is_known(item.message, sizes):
            known.setdefault(_key(item), item)
    stored = await _stored(connection, list(known))
    fresh = [item for key, item in known.items() if key not in stored]
    await _append(connection, provider_id, fresh, last, received_at)
    kept = [*unprocessed, *(Unprocessed(event=f.event, reason=UNKNOWN_META) for f in foreign)]
    await _keep(connection, provider_id, kept, received_at)
    return foreign


_RAISED = Prepared(
    update(_installation)
    .values(last_position=_installation.c.last_position + bindparam("count"))
    .returning(_installation.c.last_position)
)
_SAID = (
    *("position", "kind", "provider_id", "message_kind", "number"),
    *("ordinal", "ordinals", "reason", "email", "occurred_at", "received_at"),
)
_NEW = Prepared(insert(_events), *_SAID)


def append_entries(connection: Connection, entries: Sequence[tuple[int, LogEntry]]) -> None:
    """SENT and FAILED entries at the end of the log, each with the id of its provider.

    Positions are given out here, so that entries become visible in their order.
    """
    last: int = _RAISED.execute(connection, {"count": len(entries)}).scalar_one()
    rows = [
        {
            "position": position,
            "kind": entry.kind.value,
            "provider_id": provider_id,
            "message_kind": int(entry.message_kind),
            "number": entry.number,
            "ordinal": min(entry.ordinals),
            "ordinals": orjson.dumps(_ranges(entry.ordinals)).decode(),
            "reason": entry.reason,
            "email": "",
            "occurred_at": entry.occurred_at,
            "received_at": entry.received_at,
        }
        for position, (provider_id, entry) in enumerate(entries, start=last - len(entries) + 1)
    ]
    _NEW.execute(connection, *rows)


def sent_entry(number: int, ordinals: Sequence[int], *, at: float) -> LogEntry:
    """That the ESP took these messages, which something else than its answer has proved."""
    return LogEntry(
        kind=EntryKind.SENT,
        provider="",
        number=number,
        ordinals=tuple(ordinals),
        occurred_at=at,
        received_at=at,
    )


def entries_from(position: int, *, limit: int, campaign_number: int | None) -> Select[Any]:
    """The rows of entries from `position` on, with their provider's nickname."""
    found = (
        select(_events, _providers.c.nickname)
        .join(_providers, _providers.c.id == _events.c.provider_id)
        .where(_events.c.position >= position)
        .order_by(_events.c.position)
        .limit(limit)
    )
    if campaign_number is None:
        return found
    return found.where(
        _events.c.message_kind == int(MessageKind.CAMPAIGN), _events.c.number == campaign_number
    )


def entry_of(row: Row[Any]) -> LogEntry:
    return LogEntry(
        kind=EntryKind(row.kind),
        provider=row.nickname,
        number=row.number,
        ordinals=_ordinals(row),
        message_kind=MessageKind(row.message_kind),
        reason=row.reason,
        callback_type=None if row.callback_type is None else CallbackType(row.callback_type),
        email=row.email,
        description=row.description,
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        position=row.position,
    )


def _ranges(ordinals: Iterable[int]) -> list[list[int]]:
    """Ascending runs [[first, last], ...]."""
    ranges: list[list[int]] = []
    for ordinal in sorted(ordinals):
        if ranges and ranges[-1][1] == ordinal - 1:
            ranges[-1][1] = ordinal
        else:
            ranges.append([ordinal, ordinal])
    return ranges


def _ordinals(row: Row[Any]) -> tuple[int, ...]:
    if row.ordinals is None:
        return (row.ordinal,)
    ranges = orjson.loads(row.ordinals)
    return tuple(ordinal for first, last in ranges for ordinal in range(first, last + 1))


async def _lock_log(connection: AsyncConnection) -> int:
    found = select(_installation.c.last_position).with_for_update()
    last: int = (await connection.execute(found)).scalar_one()
    return last


async def _sizes(
    connection: AsyncConnection, provider_id: int, messages: Sequence[MessageRef]
) -> Mapping[tuple[MessageKind, int], int]:
    """How many messages each of the named campaigns and tests of this provider has."""
    named = {message[:2] for message in messages}
    campaigns = [number for kind, number in named if kind is MessageKind.CAMPAIGN]
    tests = [number for kind, number in named if kind is MessageKind.TEST]
    sizes: dict[tuple[MessageKind, int], int] = {}
    if campaigns:
        of_campaigns = select(_campaigns.c.number, _campaigns.c.recipients).where(
            _campaigns.c.number.in_(campaigns),
            _campaigns.c.provider_id == provider_id,
            _campaigns.c.request_id.is_not(None),
        )
        for number, size in await connection.execute(of_campaigns):
            sizes[MessageKind.CAMPAIGN, number] = size
    if tests:
        of_tests = select(_tests.c.number).where(
            _tests.c.number.in_(tests), _tests.c.provider_id == provider_id
        )
        for (number,) in await connection.execute(of_tests):
            sizes[MessageKind.TEST, number] = 1
    return sizes


def _is_known(message: MessageRef, sizes: Mapping[tuple[MessageKind, int], int]) -> bool:
    return message.ordinal < sizes.get((message.kind, message.number), 0)


def _key(item: Attributed) -> _Key:
    message = item.message
    return _Key(int(message.kind), message.number, message.ordinal, item.digest)


async def _stored(connection: AsyncConnection, keys: Sequence[_Key]) -> set[tuple[int, ...]]:
    columns = (_events.c.message_kind, _events.c.number, _events.c.ordinal, _events.c.digest)
    stored: set[tuple[int, ...]] = set()
    for some in _slices(keys):
        found = select(*columns).where(tuple_(*columns).in_(some))
        stored.update(tuple(row) for row in await connection.execute(found))
    return stored


def _slices(keys: Sequence[_Key]) -> Iterator[list[_Key]]:
    rest = iter(keys)
    while some := list(islice(rest, _KEYS_AT_ONCE)):
        yield some


async def _append(
    connection: AsyncConnection,
    provider_id: int,
    fresh: Sequence[Attributed],
    last: int,
    received_at: float,
) -> None:
    if not fresh:
        return
    rows = [
        _row(item, provider_id, position, received_at)
        for position, item in enumerate(fresh, start=last + 1)
    ]
    await connection.execute(insert(_events), rows)
    await connection.execute(update(_installation).values(last_position=last + len(rows)))


def _row(
    item: Attributed, provider_id: int, position: int, received_at: float
) -> dict[str, object]:
    return {
        "position": position,
        "kind": EntryKind.CALLBACK.value,
        "provider_id": provider_id,
        "message_kind": int(item.message.kind),
        "number": item.message.number,
        "ordinal": item.message.ordinal,
        "callback_type": item.type.value,
        "email": item.event.email,
        "description": item.event.description,
        "occurred_at": item.occurred_at,
        "received_at": received_at,
        "digest": item.digest,
    }


async def _keep(
    connection: AsyncConnection, provider_id: int, kept: Sequence[Unprocessed], received_at: float
) -> None:
    rows = [
        {
            "provider_id": provider_id,
            "received_at": received_at,
            "event": orjson.dumps(item.event.raw).decode(),
            "reason": item.reason,
        }
        for item in kept
    ]
    if rows:
        await connection.execute(insert(_unprocessed), rows)
