"""The work queue in SQL: leases, and the steps of workers."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select, update

from adapters.sql import schema
from adapters.sql.claims import Lease, claims_of, next_due
from adapters.sql.database import Database
from adapters.sql.steps import chunks_at_work, close_works, log_works, store_steps, work_on
from adapters.sql.work import ChunkId, Known, Work
from domain.ahead import furthest
from domain.campaign import CampaignState, DeliveryGuarantee
from domain.chunk import LONGEST_LEASE_SECONDS, ChunkState
from domain.message import MessageState
from domain.retry import LONGEST_BACKOFF_SECONDS
from services.ports import Claim, Move, Recorded, Step

_log = logging.getLogger(__name__)

_chunks, _campaigns = schema.chunks, schema.campaigns
_HELD = (ChunkState.CLAIMED, ChunkState.POSTING)


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
        if await self._database.read(partial(next_due, lease=lease, now=now)) is None:
            return []
        found = await self._database.write(partial(claims_of, lease=lease, limit=limit, now=now))
        self._known.update((claim.chunk.key[:2], known) for claim, known in found)
        return [claim for claim, _ in found]

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


def _start_due(connection: Connection, *, now: float) -> int:
    due = (_campaigns.c.state == CampaignState.SCHEDULED) & (_campaigns.c.send_at <= now)
    due &= _campaigns.c.request_id.is_not(None)
    started = {"state": CampaignState.SENDING.value, "started_at": now}
    return connection.execute(update(_campaigns).where(due).values(started)).rowcount


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
