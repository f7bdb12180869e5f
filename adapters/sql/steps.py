"""The steps of workers, within the transaction that makes them durable.

All steps of one chunk share its row: it is changed in memory and written once, however many of its
messages have moved.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    insert,
    literal,
    select,
    update,
)

from adapters.sql import schema
from adapters.sql.cancellation import cancel_queued
from adapters.sql.chunk_rows import chunk_values, read_chunk
from adapters.sql.esp_messages import add_esp_messages
from adapters.sql.event_rows import append_entries
from adapters.sql.prepared import Prepared
from adapters.sql.provider_codec import read_circuit
from adapters.sql.work import ChunkId, Known, Traffic, Work
from domain.campaign import CampaignState
from domain.chunk import Chunk, ChunkState
from domain.message import MessageState
from services.ports import Recorded, Step

_log = logging.getLogger(__name__)

_chunks, _campaigns, _messages = schema.chunks, schema.campaigns, schema.messages
_providers = schema.providers

_COUNTS = {state: state.value.lower() for state in MessageState}


def store_steps(
    connection: Connection,
    steps: Sequence[Step],
    known: dict[ChunkId, Known],
    *,
    now: float,
) -> tuple[list[Recorded], list[Work]]:
    """What became of each step, and of each chunk. `known` chunks need not be read again."""
    ids = list(dict.fromkeys(step.key[:2] for step in steps))
    works = _open_works(connection, ids, known)
    results = [works[step.key[:2]].take(step, now=now) for step in steps]
    close_works(connection, [work for work in works.values() if work.is_changed], now=now)
    return results, list(works.values())


def _open_works(
    connection: Connection, ids: Sequence[ChunkId], known: dict[ChunkId, Known]
) -> dict[ChunkId, Work]:
    works: dict[ChunkId, Work] = {}
    traffic: dict[int, Traffic] = {}
    for campaign_number, number in ids:
        this = {"this_campaign": campaign_number, "this_chunk": number}
        row = _FENCE.execute(connection, this).one()
        found = known.get((row.campaign_number, row.number))
        if found and (found.chunk.epoch, found.revision) == (row.epoch, row.revision):
            # A copy: what these steps do is undone where their transaction fails.
            found = Known(found.chunk, found.revision, set(found.own))
        else:
            found = _read(connection, (row.campaign_number, row.number))
        works[row.campaign_number, row.number] = _work(row, found, traffic)
    return works


def work_on(connection: Connection, row: Row[Any]) -> Work:
    """For a whole row of `chunks_at_work`."""
    chunk = read_chunk(row)
    return _work(row, Known(chunk, row.revision, own_ordinals(connection, chunk)), {})


def _work(row: Row[Any], known: Known, traffic: dict[int, Traffic]) -> Work:
    if row.provider_id not in traffic:
        traffic[row.provider_id] = Traffic(row.in_flight, read_circuit(row))
    return Work(
        chunk=known.chunk,
        revision=known.revision,
        own=known.own,
        provider_id=row.provider_id,
        traffic=traffic[row.provider_id],
        campaign_state=row.campaign_state,
    )


def chunks_at_work(*columns: Any) -> Select[Any]:
    """Chunks, with what `work_on` wants to know of their campaigns and providers."""
    return (
        select(
            *columns,
            _campaigns.c.provider_id,
            _campaigns.c.guarantee,
            _campaigns.c.state.label("campaign_state"),
            _providers.c.in_flight,
            _providers.c.failures,
            _providers.c.opened,
            _providers.c.open_until,
            _providers.c.failure,
        )
        .join_from(_chunks, _campaigns, _campaigns.c.number == _chunks.c.campaign_number)
        .join(_providers, _providers.c.id == _campaigns.c.provider_id)
    )


_ID = (_chunks.c.campaign_number, _chunks.c.number)
_THIS = and_(
    _chunks.c.campaign_number == bindparam("this_campaign"),
    _chunks.c.number == bindparam("this_chunk"),
)
_FENCE = Prepared(
    chunks_at_work(*_ID, _chunks.c.epoch, _chunks.c.revision).where(_THIS).with_for_update()
)


def _read(connection: Connection, chunk_id: ChunkId) -> Known:
    campaign_number, number = chunk_id
    this = and_(_chunks.c.campaign_number == campaign_number, _chunks.c.number == number)
    row = connection.execute(select(_chunks).where(this)).one()
    chunk = read_chunk(row)
    return Known(chunk, row.revision, own_ordinals(connection, chunk))


_OWN = Prepared(
    select(_messages.c.ordinal).where(
        _messages.c.campaign_number == bindparam("this_campaign"),
        _messages.c.ordinal.between(bindparam("first"), bindparam("last")),
    )
)


def own_ordinals(connection: Connection, chunk: Chunk) -> set[int]:
    """The messages of the chunk that have a row of their own."""
    bounds = {"first": chunk.first, "last": chunk.first + chunk.size - 1}
    this = {"this_campaign": chunk.campaign_number, **bounds}
    return set(_OWN.execute(connection, this).scalars())


_SET: dict[str, ColumnElement[Any]] = {
    name: bindparam(f"new_{name}") for name in ("state", "open", "requests", "not_before")
}
_ADDED: dict[str, ColumnElement[Any]] = {
    name: _chunks.c[name] + bindparam(f"new_{name}") for name in _COUNTS.values()
}
_WRITTEN = Prepared(
    update(_chunks).where(_THIS).values({**_SET, **_ADDED, "revision": _chunks.c.revision + 1})
)


def close_works(connection: Connection, works: Sequence[Work], *, now: float) -> None:
    """Writes what has come of these chunks."""
    if not works:
        return
    _WRITTEN.execute(connection, *map(_values, works))
    rows = [row for work in works for row in work.rows]
    if rows:
        connection.execute(insert(_messages), rows)
    said = [(work.provider_id, entry) for work in works for entry in work.entries]
    if said:
        append_entries(connection, said)
    add_esp_messages(
        connection,
        [(work.provider_id, each) for work in works for each in work.esp_messages],
        now=now,
    )
    _store_traffic(connection, {work.provider_id: work.traffic for work in works}.items())
    for work in works:
        _settle(connection, work, now=now)


def _values(work: Work) -> dict[str, object]:
    chunk = work.chunk
    values = {f"new_{name}": value for name, value in chunk_values(chunk).items()}
    values |= {f"new_{name}": work.counts[state] for state, name in _COUNTS.items()}
    return {**values, "this_campaign": chunk.campaign_number, "this_chunk": chunk.number}


_IN_FLIGHT = Prepared(
    update(_providers)
    .where(_providers.c.id == bindparam("this_provider"))
    .values(in_flight=_providers.c.in_flight + bindparam("added"))
)


def log_works(works: Iterable[Work], *, now: float) -> None:
    """Tells an operator what has come of these, once it is stored."""
    traffic = {id(work.traffic): work for work in works}
    for work in traffic.values():
        before, after = work.traffic.stored, work.traffic.circuit
        facts: dict[str, object] = {"provider_id": work.provider_id, "failures": after.failures}
        if after.opened > before.opened:
            facts |= {"seconds": round(after.open_until - now, 1), "reason": after.reason}
            _log.warning("provider left alone after failures in a row", extra=facts)
        elif before.opened and not after.opened:
            _log.info("provider answers again", extra=facts)
    for work in works:
        if work.ends_campaign:
            _log.info("campaign completed", extra={"campaign": work.chunk.campaign_number})


def _store_traffic(connection: Connection, traffic: Iterable[tuple[int, Traffic]]) -> None:
    for provider_id, one in traffic:
        if one.added:
            _IN_FLIGHT.execute(connection, {"this_provider": provider_id, "added": one.added})
        if one.circuit != one.stored:
            values = {
                "failures": one.circuit.failures,
                "opened": one.circuit.opened,
                "open_until": one.circuit.open_until,
                "failure": one.circuit.reason,
            }
            this = _providers.c.id == provider_id
            connection.execute(update(_providers).where(this).values(values))


def _settle(connection: Connection, work: Work, *, now: float) -> None:
    """What the end of a chunk, or its coming back, means for its campaign."""
    chunk = work.chunk
    if chunk.state is ChunkState.DONE:
        work.ends_campaign = _end_campaign(connection, chunk.campaign_number, now=now)
    elif chunk.state is ChunkState.READY and work.campaign_state == CampaignState.CANCELLED:
        # It comes back from its worker after its campaign was cancelled, and is not sent.
        cancel_queued(connection, chunk.campaign_number, now=now)


# By name and not as `!= DONE`, which no index finds among thousands that are done.
_NOT_DONE = [literal(int(state)) for state in ChunkState if state is not ChunkState.DONE]
_LEFT = select(_chunks.c.number).where(
    _chunks.c.campaign_number == bindparam("this_campaign"), _chunks.c.state.in_(_NOT_DONE)
)
_ENDED = Prepared(
    update(_campaigns)
    .where(
        _campaigns.c.number == bindparam("this_campaign"),
        _campaigns.c.state == CampaignState.SENDING.value,
        ~_LEFT.exists(),
    )
    .values(state=CampaignState.COMPLETED.value, state_reason="", ended_at=bindparam("now"))
)


def _end_campaign(connection: Connection, number: int, *, now: float) -> bool:
    """Ends the campaign when no chunk of it is left; whether it does."""
    return _ENDED.execute(connection, {"this_campaign": number, "now": now}).rowcount == 1
