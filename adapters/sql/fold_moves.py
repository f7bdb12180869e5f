"""Where callbacks move messages: their rows, and the counts of their chunks.

A stretch of the log speaks of messages all over some campaigns. Their chunks and rows are read
together and written together, however many they are.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, delete, select, update

from adapters.sql import schema
from adapters.sql.chunk_rows import read_chunk
from adapters.sql.event_rows import append_entries, sent_entry
from adapters.sql.fold_stretch import Callback
from adapters.sql.rows import insert_rows
from domain.chunk import CHUNK_SIZE, Chunk
from domain.message import MessageState, after_callback, before_callback

_chunks, _messages = schema.chunks, schema.messages
_COLUMNS = ("campaign_number", "ordinal", "state", "reason", "detail", "updated_at", "lost_at")
# Well below the 32,766 parameters that a statement may have.
_KEYS_AT_ONCE = 5000
_OWN = (_messages.c.ordinal, _messages.c.state, _messages.c.reason, _messages.c.lost_at)
# What `read_chunk` reads: of the counts only the changes are written.
_CHUNK = (
    *(_chunks.c.campaign_number, _chunks.c.number, _chunks.c.size, _chunks.c.state),
    *(_chunks.c.epoch, _chunks.c.open, _chunks.c.requests),
)
_STATES = {state.code: state for state in MessageState}

# Every count is written, also the many that stay as they are: it is one statement for all chunks.
_COUNT = (
    update(_chunks)
    .where(
        _chunks.c.campaign_number == bindparam("of_campaign"),
        _chunks.c.number == bindparam("of_chunk"),
    )
    .values(
        {
            "revision": _chunks.c.revision + 1,
            **{
                name: _chunks.c[name] + bindparam(f"more_{name}")
                for name in (state.value.lower() for state in MessageState)
            },
        }
    )
)


def move_messages(connection: Connection, callbacks: Sequence[Callback], *, now: float) -> None:
    by_campaign: dict[int, list[Callback]] = defaultdict(list)
    for callback in callbacks:
        by_campaign[callback.number].append(callback)
    for number, of_campaign in by_campaign.items():
        _move(connection, number, of_campaign, now)


class _Moved(NamedTuple):
    """A message as it was counted and is from now on; what was said last moved it there."""

    old: MessageState
    new: MessageState
    was_unknown: bool
    detail: str


def _move(connection: Connection, number: int, callbacks: Sequence[Callback], now: float) -> None:
    by_chunk: dict[int, list[Callback]] = defaultdict(list)
    for callback in callbacks:
        by_chunk[callback.ordinal // CHUNK_SIZE].append(callback)
    own = _read_own(connection, number, {c.ordinal for c in callbacks})
    states = {ordinal: _STATES[row.state] for ordinal, row in own.items()}
    moved: dict[int, dict[int, _Moved]] = {}
    for chunk in _read_chunks(connection, number, by_chunk):
        said = by_chunk[chunk.number]
        before = chunk.states({c.ordinal for c in said}, states)
        moves = _moves(said, before, own)
        if moves:
            moved[chunk.number] = moves
    _write(
        connection, number, {o: m for moves in moved.values() for o, m in moves.items()}, own, now
    )
    _count(connection, number, moved, now)


def _moves(
    callbacks: Sequence[Callback], before: Mapping[int, MessageState], own: Mapping[int, Row[Any]]
) -> dict[int, _Moved]:
    """The messages of one chunk that these callbacks move."""
    known = {
        ordinal: before_callback(state, own[ordinal].reason if ordinal in own else "")
        for ordinal, state in before.items()
    }
    after = dict(known)
    moves: dict[int, _Moved] = {}
    for _, ordinal, type_, description in callbacks:
        state = after_callback(after[ordinal], type_)
        if state is not after[ordinal]:
            after[ordinal] = state
            was_unknown = known[ordinal] is MessageState.UNKNOWN
            moves[ordinal] = _Moved(before[ordinal], state, was_unknown, description)
    return moves


def _write(
    connection: Connection,
    number: int,
    moved: Mapping[int, _Moved],
    own: Mapping[int, Row[Any]],
    now: float,
) -> None:
    for some in _parts([ordinal for ordinal in moved if ordinal in own]):
        connection.execute(delete(_messages).where(_of(number, some)))
    rows = [
        (number, o, move.new.code, "", move.detail, now, own[o].lost_at if o in own else None)
        for o, move in moved.items()
    ]
    insert_rows(connection, _messages, _COLUMNS, rows)


def _count(
    connection: Connection, number: int, moved: Mapping[int, Mapping[int, _Moved]], now: float
) -> None:
    if moved:
        counts = [_counts(number, chunk, moves.values()) for chunk, moves in moved.items()]
        connection.execute(_COUNT, counts)
    proved = [sorted(o for o, m in moves.items() if m.was_unknown) for moves in moved.values()]
    # The ESP took them, as its answer would have said.
    sent = [sent_entry(number, ordinals, at=now) for ordinals in proved if ordinals]
    if sent:
        provider_id = _provider_id(connection, number)
        append_entries(connection, [(provider_id, entry) for entry in sent])


def _counts(number: int, chunk_number: int, moves: Iterable[_Moved]) -> dict[str, int]:
    more = dict.fromkeys(MessageState, 0)
    for move in moves:
        more[move.old] -= 1
        more[move.new] += 1
    named = {f"more_{state.value.lower()}": count for state, count in more.items()}
    return {"of_campaign": number, "of_chunk": chunk_number, **named}


def _read_chunks(connection: Connection, number: int, numbers: Iterable[int]) -> Iterator[Chunk]:
    for some in _parts(sorted(numbers)):
        these: Select[Any] = select(*_CHUNK).where(
            _chunks.c.campaign_number == number, _chunks.c.number.in_(some)
        )
        yield from map(read_chunk, connection.execute(these.with_for_update()).all())


def _read_own(connection: Connection, number: int, ordinals: Iterable[int]) -> dict[int, Row[Any]]:
    found: dict[int, Row[Any]] = {}
    for some in _parts(sorted(ordinals)):
        these: Select[Any] = select(*_OWN).where(_of(number, some))
        for row in connection.execute(these):
            found[row.ordinal] = row
    return found


def _of(number: int, ordinals: Sequence[int]) -> ColumnElement[bool]:
    of_campaign: ColumnElement[bool] = _messages.c.campaign_number == number
    return of_campaign & _messages.c.ordinal.in_(ordinals)


def _provider_id(connection: Connection, number: int) -> int:
    found = select(schema.campaigns.c.provider_id).where(schema.campaigns.c.number == number)
    return int(connection.execute(found).scalar_one())


def _parts(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        yield keys[start : start + _KEYS_AT_ONCE]
