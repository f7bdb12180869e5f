"""The work queue in SQL: leases, and the steps of workers."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Row,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)

from adapters.sql import schema
from adapters.sql.ahead import ahead
from adapters.sql.campaign_rows import decode_content
from adapters.sql.chunk_rows import read_chunk
from adapters.sql.database import Database
from adapters.sql.prepared import Prepared
from adapters.sql.recipients_codec import decode
from adapters.sql.schema import LARGE_LANE, SMALL_LANE
from adapters.sql.steps import (
    ChunkId,
    Known,
    Work,
    chunks_at_work,
    close_works,
    log_works,
    own_ordinals,
    store_steps,
    work_on,
)
from domain.ahead import furthest
from domain.campaign import CampaignState, DeliveryGuarantee
from domain.chunk import LONGEST_LEASE_SECONDS, ChunkState
from domain.circuit import LONGEST_WAIT
from domain.message import MessageState
from domain.retry import LONGEST_BACKOFF_SECONDS, MAX_RETRY_AFTER_SECONDS
from services.ports import MOST_BUSY, Claim, Move, Recorded, Step

_log = logging.getLogger(__name__)

_chunks, _campaigns, _providers = schema.chunks, schema.campaigns, schema.providers
_contents, _recipients = schema.contents, schema.recipients
_HELD = (ChunkState.CLAIMED, ChunkState.POSTING)


class Lease(NamedTuple):
    """Who wants a chunk, for how long, and of which it has to be a small campaign's."""

    worker: str
    seconds: float
    small_only: bool
    busy: tuple[int, ...]


class SqlWorkQueue:
    """Chunks are rows; a lease is a row's epoch, worker and time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # The chunks of this process's workers, as they were written last.
        self._known: dict[ChunkId, Known] = {}

    async def claim(
        self,
        worker: str,
        *,
        limit: int,
        lease_seconds: float,
        small_only: bool = False,
        busy: Collection[int] = (),
    ) -> Sequence[Claim]:
        lease = Lease(worker, lease_seconds, small_only, tuple(busy))
        now = self._database.clock.now()
        # Most looks find nothing, and nobody has to wait for them.
        if await self._database.read(partial(_next_due, lease=lease, now=now)) is None:
            return []
        return await self._database.write(partial(_claims, lease=lease, limit=limit, now=now))

    async def renew(self, worker: str, *, lease_seconds: float) -> None:
        until = self._database.clock.now() + lease_seconds
        mine = (_chunks.c.worker == worker) & _chunks.c.state.in_(_HELD)
        renewed = update(_chunks).where(mine).values(lease_until=until)
        await self._database.write(lambda connection: connection.execute(renewed).rowcount)

    async def record(self, steps: Sequence[Step]) -> Sequence[Recorded]:
        now = self._database.clock.now()
        recorded, works = await self._database.write(
            partial(store_steps, steps=steps, known=self._known, now=now)
        )
        log_works(works, now=now)
        for work in works:
            self._remember(work)
        return recorded

    async def recover(self) -> int:
        # One transaction for each: a crash half way leaves the rest as it was, to be found again.
        recovered = 0
        while True:
            now = self._database.clock.now()
            work = await self._database.write(partial(_take_back, now=now))
            if work is None:
                return recovered
            recovered += 1
            chunk, unknown = work.chunk, work.counts[MessageState.UNKNOWN]
            facts = {"campaign": chunk.campaign_number, "chunk": chunk.number, "unknown": unknown}
            _log.warning("chunk of a worker that is gone taken back", extra=facts)
            log_works([work], now=now)

    async def start_due(self) -> int:
        started = await self._database.write(partial(_start_due, now=self._database.clock.now()))
        if started:
            _log.info("scheduled campaigns started", extra={"count": started})
        return started

    async def wait(self, *, timeout_seconds: float) -> None:
        """A database tells nobody that it has changed: this is the time between two looks."""
        await asyncio.sleep(timeout_seconds)

    def _remember(self, work: Work) -> None:
        chunk_id, is_held = work.chunk.key[:2], work.chunk.state in _HELD
        if work.is_changed and is_held:
            self._known[chunk_id] = work.known()
        else:
            self._known.pop(chunk_id, None)


def _claims(connection: Connection, *, lease: Lease, limit: int, now: float) -> list[Claim]:
    claims: list[Claim] = []
    while len(claims) < limit:
        found = _next_due(connection, lease=lease, now=now)
        if found is None:
            break
        _take(connection, found, lease, now)
        claims.append(_claim(connection, found))
    return claims


def _start_due(connection: Connection, *, now: float) -> int:
    due = (_campaigns.c.state == CampaignState.SCHEDULED) & (_campaigns.c.send_at <= now)
    due &= _campaigns.c.request_id.is_not(None)
    started = {"state": CampaignState.SENDING.value, "started_at": now}
    return connection.execute(update(_campaigns).where(due).values(started)).rowcount


def _due_chunk() -> Select[Any]:
    """A due chunk of the campaign whose turn it is: small ones first, then the longest waiting.

    At the time `now`, in a lane of at most `slowest`; a large one's through none of the providers
    `busy0` and so on.
    """
    now: Any = bindparam("now", type_=Float)
    busy: list[Any] = [bindparam(f"busy{i}") for i in range(MOST_BUSY)]
    is_due = (_chunks.c.state == int(ChunkState.READY)) & (_chunks.c.not_before <= now)
    paused_until, open_until = _providers.c.paused_until, _providers.c.open_until
    is_paused = ahead(paused_until, now=now, longest=MAX_RETRY_AFTER_SECONDS)
    not_paused = or_(paused_until.is_(None), ~is_paused)
    not_paused &= ~ahead(open_until, now=now, longest=LONGEST_WAIT)
    has_due = select(_chunks.c.number).where(
        _chunks.c.campaign_number == _campaigns.c.number, is_due
    )
    turn = (
        select(_campaigns.c.number)
        .join_from(_campaigns, _providers, _providers.c.id == _campaigns.c.provider_id)
        .where(_campaigns.c.state == CampaignState.SENDING.value, not_paused)
        .where(_campaigns.c.lane <= bindparam("slowest"))
        .where(or_(_campaigns.c.lane == SMALL_LANE, _campaigns.c.provider_id.not_in(busy)))
        .where(has_due.exists())
        .order_by(_campaigns.c.lane, _campaigns.c.claimed_at, _campaigns.c.number)
        .limit(1)
        .scalar_subquery()
    )
    found = select(_chunks).where(_chunks.c.campaign_number == turn, is_due)
    return found.order_by(_chunks.c.number).limit(1)


_DUE_CHUNK = Prepared(_due_chunk())


def _next_due(connection: Connection, *, lease: Lease, now: float) -> Row[Any] | None:
    slowest = SMALL_LANE if lease.small_only else LARGE_LANE
    busy = {f"busy{i}": lease.busy[i] if i < len(lease.busy) else 0 for i in range(MOST_BUSY)}
    return _DUE_CHUNK.execute(connection, {"now": now, "slowest": slowest, **busy}).one_or_none()


_LEASED = Prepared(
    update(_chunks)
    .where(
        _chunks.c.campaign_number == bindparam("this_campaign"),
        _chunks.c.number == bindparam("this_chunk"),
    )
    .values(
        state=int(ChunkState.CLAIMED),
        epoch=_chunks.c.epoch + 1,
        worker=bindparam("new_worker"),
        lease_until=bindparam("until"),
    )
)
# Later than every other campaign: the next claim goes to the one that waits longest.
_TURN = Prepared(
    update(_campaigns)
    .where(_campaigns.c.number == bindparam("this_campaign"))
    .values(
        claimed_at=select(func.max(_campaigns.c.claimed_at)).scalar_subquery() + 1,
        started_at=func.coalesce(_campaigns.c.started_at, bindparam("now", type_=Float)),
    )
)


def _take(connection: Connection, row: Row[Any], lease: Lease, now: float) -> None:
    this = {"this_campaign": row.campaign_number, "this_chunk": row.number}
    until = now + lease.seconds
    _LEASED.execute(connection, {**this, "new_worker": lease.worker, "until": until})
    _TURN.execute(connection, {**this, "now": now})


_CLAIMED = Prepared(
    select(
        _chunks,
        _campaigns.c.provider_id,
        _campaigns.c.guarantee,
        _campaigns.c.envelope,
        _campaigns.c.send_before,
        _campaigns.c.lane,
        _contents.c.body.label("content"),
        _recipients.c.body.label("people"),
    )
    .join_from(_chunks, _campaigns, _campaigns.c.number == _chunks.c.campaign_number)
    .join(_contents, _contents.c.campaign_number == _chunks.c.campaign_number)
    .join(
        _recipients,
        and_(
            _recipients.c.campaign_number == _chunks.c.campaign_number,
            _recipients.c.chunk_number == _chunks.c.number,
        ),
    )
    .where(
        _chunks.c.campaign_number == bindparam("this_campaign"),
        _chunks.c.number == bindparam("this_chunk"),
    )
)


def _claim(connection: Connection, row: Row[Any]) -> Claim:
    this = {"this_campaign": row.campaign_number, "this_chunk": row.number}
    claimed = _CLAIMED.execute(connection, this).one()
    chunk = read_chunk(claimed)
    settled = own_ordinals(connection, chunk).intersection(chunk.open_ordinals())
    return Claim(
        chunk=chunk,
        provider_id=claimed.provider_id,
        guarantee=DeliveryGuarantee(claimed.guarantee),
        content=decode_content(claimed.envelope, claimed.content),
        send_before=claimed.send_before,
        recipients=decode(claimed.people),
        settled=frozenset(settled),
        is_small=claimed.lane == SMALL_LANE,
    )


def _take_back(connection: Connection, *, now: float) -> Work | None:
    """Settles what one worker that is gone left in flight, and lets others have the rest."""
    _after_a_clock_put_back(connection, now=now)
    over = _chunks.c.state.in_(_HELD) & (_chunks.c.lease_until < now)
    row = connection.execute(chunks_at_work(_chunks).where(over).limit(1)).one_or_none()
    if row is None:
        return None
    work = work_on(connection, row)
    guarantee = DeliveryGuarantee(row.guarantee)
    flying = tuple(o for r in work.chunk.requests if r.posting for o in r.ordinals)
    left, lost = work.chunk.abandoned(guarantee)
    work.become(left)
    unknown, queued = MessageState.UNKNOWN, MessageState.QUEUED
    work.move(Move(lost, MessageState.SENDING, unknown, "ANSWER_LOST", _GONE), now=now)
    if guarantee is DeliveryGuarantee.AT_LEAST_ONCE:
        work.move(Move(flying, MessageState.SENDING, queued), now=now)
    let_go = {"epoch": row.epoch + 1, "worker": "", "lease_until": 0.0}
    connection.execute(update(_chunks).where(_this(row)).values(let_go))
    close_works(connection, [work], now=now)
    return work


def _after_a_clock_put_back(connection: Connection, *, now: float) -> None:
    """Ends what would wait for the time that the clock had shown before.

    A lease ends as if it were new: its worker may live and renew it, and to take the chunk from it
    at once would put in doubt what is in flight.
    """
    too_long = _chunks.c.lease_until > furthest(now, LONGEST_LEASE_SECONDS)
    held = update(_chunks).where(_chunks.c.state.in_(_HELD), too_long)
    connection.execute(held.values(lease_until=now + LONGEST_LEASE_SECONDS))
    sending = select(_campaigns.c.number).where(_campaigns.c.state == CampaignState.SENDING.value)
    too_late = _chunks.c.not_before > furthest(now, LONGEST_BACKOFF_SECONDS)
    ready = (_chunks.c.state == ChunkState.READY) & too_late
    waiting = update(_chunks).where(_chunks.c.campaign_number.in_(sending), ready)
    connection.execute(waiting.values(not_before=0.0))


_GONE = "the process that sent this message ended before the ESP's answer was recorded"


def _this(row: Row[Any]) -> ColumnElement[bool]:
    campaign_number, number = row.campaign_number, row.number
    return and_(_chunks.c.campaign_number == campaign_number, _chunks.c.number == number)
