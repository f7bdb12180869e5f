"""The work queue in SQL: leases, and the steps of workers."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql import schema
from adapters.sql.campaign_rows import decode_content
from adapters.sql.chunk_rows import read_chunk
from adapters.sql.database import Database
from adapters.sql.recipients_codec import decode
from adapters.sql.steps import (
    Flights,
    chunks_at_work,
    close_work,
    own_ordinals,
    store_flights,
    store_steps,
    work_on,
)
from domain.campaign import CampaignState, DeliveryGuarantee
from domain.chunk import Chunk, ChunkState
from domain.message import MessageState
from services.ports import Claim, Move, Recorded, Step

_chunks, _campaigns, _providers = schema.chunks, schema.campaigns, schema.providers
_HELD = (ChunkState.CLAIMED, ChunkState.POSTING)


class SqlWorkQueue:
    """Chunks are rows; a lease is a row's epoch, worker and time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, worker: str, *, limit: int, lease_seconds: float) -> Sequence[Claim]:
        now = self._database.clock.now()
        claims: list[Claim] = []
        async with self._database.writing() as connection:
            while len(claims) < limit:
                found = await _next_due(connection, now)
                if found is None:
                    break
                await _lease(connection, found, worker, now + lease_seconds, now)
                claims.append(await _claim(connection, found))
        return claims

    async def renew(self, worker: str, *, lease_seconds: float) -> None:
        until = self._database.clock.now() + lease_seconds
        mine = (_chunks.c.worker == worker) & _chunks.c.state.in_(_HELD)
        async with self._database.writing() as connection:
            await connection.execute(update(_chunks).where(mine).values(lease_until=until))

    async def record(self, steps: Sequence[Step]) -> Sequence[Recorded]:
        async with self._database.writing() as connection:
            return await store_steps(connection, steps, now=self._database.clock.now())

    async def recover(self) -> int:
        over = _chunks.c.state.in_(_HELD) & (_chunks.c.lease_until < self._database.clock.now())
        # One transaction for each: a crash half way leaves the rest as it was, to be found again.
        recovered = 0
        while True:
            async with self._database.writing() as connection:
                if not await _take_back(connection, over, now=self._database.clock.now()):
                    return recovered
                recovered += 1

    async def start_due(self) -> int:
        now = self._database.clock.now()
        due = (_campaigns.c.state == CampaignState.SCHEDULED) & (_campaigns.c.send_at <= now)
        due &= _campaigns.c.request_id.is_not(None)
        started = {"state": CampaignState.SENDING.value, "started_at": now}
        async with self._database.writing() as connection:
            result = await connection.execute(update(_campaigns).where(due).values(started))
        return result.rowcount

    async def wait(self, *, timeout_seconds: float) -> None:
        """A database tells nobody that it has changed: this is the time between two looks."""
        await asyncio.sleep(timeout_seconds)


def _is_due(now: float) -> ColumnElement[bool]:
    return (_chunks.c.state == ChunkState.READY) & (_chunks.c.not_before <= now)


async def _next_due(connection: AsyncConnection, now: float) -> Row[Any] | None:
    """A due chunk of the campaign whose turn it is: small ones first, then the longest waiting."""
    is_due = (_chunks.c.campaign_number == _campaigns.c.number) & _is_due(now)
    not_paused = or_(_providers.c.paused_until.is_(None), _providers.c.paused_until <= now)
    turn = (
        select(_campaigns.c.number)
        .join_from(_campaigns, _providers, _providers.c.id == _campaigns.c.provider_id)
        .where(_campaigns.c.state == CampaignState.SENDING.value, not_paused)
        .where(select(_chunks.c.number).where(is_due).exists())
        .order_by(_campaigns.c.lane, _campaigns.c.claimed_at, _campaigns.c.number)
        .limit(1)
        .scalar_subquery()
    )
    found = select(_chunks).where(_chunks.c.campaign_number == turn, _is_due(now))
    return (await connection.execute(found.order_by(_chunks.c.number).limit(1))).one_or_none()


async def _lease(
    connection: AsyncConnection, row: Row[Any], worker: str, until: float, now: float
) -> None:
    leased = {
        "state": ChunkState.CLAIMED,
        "epoch": row.epoch + 1,
        "worker": worker,
        "lease_until": until,
    }
    await connection.execute(update(_chunks).where(_this(row)).values(leased))
    # Later than every other campaign: the next claim goes to the one that waits longest.
    last = select(func.max(_campaigns.c.claimed_at)).scalar_subquery()
    turn = {"claimed_at": last + 1, "started_at": func.coalesce(_campaigns.c.started_at, now)}
    campaign = _campaigns.c.number == row.campaign_number
    await connection.execute(update(_campaigns).where(campaign).values(turn))


async def _claim(connection: AsyncConnection, row: Row[Any]) -> Claim:
    number = row.campaign_number
    campaign = (
        await connection.execute(select(_campaigns).where(_campaigns.c.number == number))
    ).one()
    contents, recipients = schema.contents, schema.recipients
    body = await connection.scalar(
        select(contents.c.body).where(contents.c.campaign_number == number)
    )
    people = await connection.scalar(
        select(recipients.c.body).where(
            recipients.c.campaign_number == number, recipients.c.chunk_number == row.number
        )
    )
    chunk = read_chunk(await _again(connection, row))
    settled = (await own_ordinals(connection, chunk)).intersection(chunk.open_ordinals())
    return Claim(
        chunk=chunk,
        provider_id=campaign.provider_id,
        guarantee=DeliveryGuarantee(campaign.guarantee),
        content=decode_content(campaign.envelope, body),
        send_before=campaign.send_before,
        recipients=decode(people or b""),
        settled=frozenset(settled),
    )


async def _again(connection: AsyncConnection, row: Row[Any]) -> Row[Any]:
    return (await connection.execute(select(_chunks).where(_this(row)))).one()


async def _take_back(connection: AsyncConnection, over: ColumnElement[bool], *, now: float) -> bool:
    """Settles what one worker that is gone left in flight, and lets others have the rest."""
    row = (await connection.execute(chunks_at_work().where(over).limit(1))).one_or_none()
    if row is None:
        return False
    flights: dict[int, Flights] = {}
    work = await work_on(connection, row, flights)
    guarantee = DeliveryGuarantee(row.guarantee)
    flying = tuple(o for r in work.chunk.requests if r.posting for o in r.ordinals)
    left, lost = work.chunk.abandoned(guarantee)
    work.become(left)
    unknown, queued = MessageState.UNKNOWN, MessageState.QUEUED
    work.move(Move(lost, MessageState.SENDING, unknown, "ANSWER_LOST", _GONE), now=now)
    if guarantee is DeliveryGuarantee.AT_LEAST_ONCE:
        work.move(Move(flying, MessageState.SENDING, queued), now=now)
    await close_work(connection, work, now=now, epoch=row.epoch + 1, worker="", lease_until=0.0)
    await store_flights(connection, work.provider_id, work.flights)
    return True


_GONE = "the process that sent this message ended before the ESP's answer was recorded"


def _this(row: Row[Any] | Chunk) -> ColumnElement[bool]:
    campaign_number, number = row.campaign_number, row.number
    return (_chunks.c.campaign_number == campaign_number) & (_chunks.c.number == number)
