"""Log entries as rows, and back."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, bindparam, insert, select, update

from adapters.sql import schema
from adapters.sql.prepared import Prepared
from domain.callback import CallbackType
from domain.events import EntryKind, LogEntry
from domain.message_id import MessageKind

_events, _installation, _providers = schema.events, schema.installation, schema.providers

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
    """Entries from `position` on, for `entry_of`."""
    found = stored_entries().where(_events.c.position >= position)
    if campaign_number is not None:
        found = found.where(
            _events.c.message_kind == int(MessageKind.CAMPAIGN), _events.c.number == campaign_number
        )
    return found.order_by(_events.c.position).limit(limit)


def stored_entries() -> Select[Any]:
    """Entries with the nickname of their provider, for `entry_of`."""
    columns = (_events.c[name] for name in _READ)
    return select(*columns, _providers.c.nickname).join_from(
        _events, _providers, _providers.c.id == _events.c.provider_id
    )


_READ = (
    *("position", "kind", "message_kind", "number", "ordinal", "ordinals", "reason"),
    *("callback_type", "email", "description", "occurred_at", "received_at"),
)
_KINDS = {kind.value: kind for kind in EntryKind}
_MESSAGE_KINDS = {int(kind): kind for kind in MessageKind}
_CALLBACKS: dict[str | None, CallbackType | None] = {kind.value: kind for kind in CallbackType}
_CALLBACKS[None] = None


def entry_of(row: Row[Any]) -> LogEntry:
    """Made by the hundred thousand when somebody catches up: columns are taken by their place."""
    position, kind, message_kind, number, ordinal, ordinals, reason, *rest = tuple(row)
    callback_type, email, description, occurred_at, received_at, provider = rest
    return LogEntry(
        kind=_KINDS[kind],
        provider=provider,
        number=number,
        ordinals=(ordinal,) if ordinals is None else _ordinals(ordinals),
        message_kind=_MESSAGE_KINDS[message_kind],
        reason=reason,
        callback_type=_CALLBACKS[callback_type],
        email=email,
        description=description,
        occurred_at=occurred_at,
        received_at=received_at,
        position=position,
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


def _ordinals(ranges: str) -> tuple[int, ...]:
    return tuple(o for first, last in orjson.loads(ranges) for o in range(first, last + 1))
