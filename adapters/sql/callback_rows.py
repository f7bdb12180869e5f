"""Callback events on their way into the log."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, delete, select, update

from adapters.sql import schema
from adapters.sql.kept_requests import keep_requests
from adapters.sql.prepared import Prepared
from adapters.sql.rows import insert_rows
from domain.callback import UNKNOWN_META, Attributed, Unprocessed
from domain.events import EntryKind
from domain.message_id import MessageKind, MessageRef
from services.ports import Kept

_events, _installation, _campaigns = schema.events, schema.installation, schema.campaigns
_tests, _unprocessed = schema.test_messages, schema.unprocessed_events

_COLUMNS = (
    *("position", "kind", "provider_id", "message_kind", "number", "ordinal", "reason"),
    *("callback_type", "email", "description", "occurred_at", "received_at", "digest"),
)
_TAKE = Prepared(
    update(_installation)
    .values(last_position=_installation.c.last_position + bindparam("number"))
    .returning(_installation.c.last_position)
)
_UNPROCESSED_COLUMNS = ("provider_id", "received_at", "event", "reason")
_CALLBACK = EntryKind.CALLBACK.value
# Campaigns and tests that are remembered; then they are looked up anew.
_REMEMBERED = 10_000


class Call(NamedTuple):
    """What one request brought."""

    provider_id: int
    events: Sequence[Attributed]
    unprocessed: Sequence[Unprocessed]
    received_at: float
    kept: Kept | None = None
    again: bool = False


class Sizes:
    """How many messages the campaigns and tests of a provider have, within one transaction.

    `remembered` outlives it: an accepted campaign keeps its provider and its recipients for good.
    """

    def __init__(self, connection: Connection, remembered: dict[tuple[int, int, int], int]) -> None:
        self._connection = connection
        self._remembered = remembered
        self._absent: set[tuple[int, int, int]] = set()

    def of(self, provider_id: int, message: MessageRef) -> int:
        """Of the campaign or test of this message; 0 where it is none of this provider's."""
        key = (provider_id, message.kind, message.number)
        size = self._remembered.get(key)
        return self._look_up(key) if size is None else size

    def _look_up(self, key: tuple[int, int, int]) -> int:
        if key in self._absent:
            return 0
        size = _size(self._connection, *key)
        if not size:
            self._absent.add(key)
            return 0
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = size
        return size


def store_calls(
    connection: Connection, calls: Sequence[Call], remembered: dict[tuple[int, int, int], int]
) -> list[Sequence[Attributed]]:
    """Stores what is new; for each call the events whose message is none of its provider's.

    `remembered` is what `Sizes` knows from before.
    """
    sizes = Sizes(connection, remembered)
    ours: list[tuple[Call, Attributed]] = []
    answers: list[Sequence[Attributed]] = []
    for call in calls:
        foreign = []
        for item in call.events:
            if item.message.ordinal < sizes.of(call.provider_id, item.message):
                ours.append((call, item))
            else:
                foreign.append(item)
        answers.append(foreign)
    if ours:
        _append(connection, ours)
    _keep(connection, calls, answers)
    requests = [(c.provider_id, c.received_at, c.kept) for c in calls if c.kept is not None]
    if requests:
        keep_requests(connection, requests)
    return answers


def _append(connection: Connection, ours: Sequence[tuple[Call, Attributed]]) -> None:
    """At positions without gaps. That no repeat is among them is tried first: they are rare."""
    first = _take_positions(connection, len(ours))
    rows = _rows(ours, first)
    if insert_rows(connection, _events, _COLUMNS, rows, pass_repeats=True) == len(rows):
        return
    # Where a repeat was passed over there is a gap: what is left of them moves together.
    these = _events.c.position >= first
    left = connection.execute(select(_events.c.position).where(these)).scalars()
    fresh = [ours[position - first] for position in sorted(left)]
    connection.execute(delete(_events).where(these))
    _take_positions(connection, len(fresh) - len(ours))
    insert_rows(connection, _events, _COLUMNS, _rows(fresh, first))


def _take_positions(connection: Connection, number: int) -> int:
    """The first of them. The lock of the log comes with it: nobody else appends before the end."""
    last: int = _TAKE.execute(connection, {"number": number}).scalar_one()
    return last - number + 1


def _rows(ours: Sequence[tuple[Call, Attributed]], first: int) -> list[tuple[object, ...]]:
    return [_row(position, call, item) for position, (call, item) in enumerate(ours, start=first)]


def _row(position: int, call: Call, item: Attributed) -> tuple[object, ...]:
    event, type_, (kind, number, ordinal), occurred_at, digest = item
    return (
        position,
        _CALLBACK,
        call.provider_id,
        int(kind),
        number,
        ordinal,
        "",
        str(type_),
        event.email,
        event.description,
        occurred_at,
        call.received_at,
        digest,
    )


def _keep(
    connection: Connection, calls: Sequence[Call], foreign: Sequence[Sequence[Attributed]]
) -> None:
    rows: list[tuple[object, ...]] = []
    for call, others in zip(calls, foreign, strict=True):
        if call.unprocessed or others:
            kept = [(item.event, item.reason) for item in call.unprocessed]
            kept += [(item.event, UNKNOWN_META) for item in others if not call.again]
            rows += (
                (call.provider_id, call.received_at, orjson.dumps(event.raw).decode(), reason)
                for event, reason in kept
            )
    insert_rows(connection, _unprocessed, _UNPROCESSED_COLUMNS, rows)


def _size(connection: Connection, provider_id: int, kind: int, number: int) -> int:
    if kind == MessageKind.TEST:
        test = select(_tests.c.number).where(
            _tests.c.number == number, _tests.c.provider_id == provider_id
        )
        return 0 if connection.scalar(test) is None else 1
    campaign = select(_campaigns.c.recipients).where(
        _campaigns.c.number == number,
        _campaigns.c.provider_id == provider_id,
        _campaigns.c.request_id.is_not(None),
    )
    return int(connection.scalar(campaign) or 0)
