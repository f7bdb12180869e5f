"""Campaigns in SQL: how they come in, how they are read, how their state changes."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql import campaign_rows, schema, staging
from adapters.sql.campaign_messages import messages_of, next_chunk, own_rows
from adapters.sql.cancellation import cancel_queued
from adapters.sql.database import Database
from adapters.sql.recipients_codec import decode
from adapters.sql.unknowns import resends_of, resolve, unknown_ordinals
from domain.campaign import CampaignSpec, CampaignState, Recipient
from domain.chunk import CHUNK_SIZE, ChunkState
from domain.errors import AlreadyExists, NotFound, NotPossibleNow
from domain.message import MessageState
from services.ports import Campaign, MessageRow, Refused, Resend, StateChange

# What one call of `messages` looks at: a second's work at most, however large the campaign is.
_MAX_CHUNKS = 256

_campaigns, _chunks, _recipients = schema.campaigns, schema.chunks, schema.recipients
_log = logging.getLogger(__name__)
# What an operator has to look at.
_WARNED_OF = frozenset({CampaignState.PAUSED, CampaignState.FAILED})


class SqlCampaignRepository:
    """CampaignRepository over SQL. What it has stored of a campaign's course it tells the log.

    Here, since what callers do and what dispatchers do by themselves is stored by this class alike.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, spec: CampaignSpec, provider_id: int) -> int:
        """See the port."""
        body = await asyncio.to_thread(campaign_rows.encode_bodies, spec.content)
        row = campaign_rows.new_campaign(spec, provider_id, now=self._database.clock.now())
        async with self._database.writing() as connection:
            started = insert(_campaigns).values(row).returning(_campaigns.c.number)
            number = int((await connection.execute(started)).scalar_one())
            content = {"campaign_number": number, "body": body}
            await connection.execute(insert(schema.contents).values(content))
        return number

    async def stage(self, number: int, chunk_number: int, recipients: Sequence[Recipient]) -> None:
        """See the port. Raises TryLater where the campaign was swept meanwhile."""
        async with self._database.writing() as connection:
            await staging.staged(connection, number)
            await staging.add_chunk(connection, number, chunk_number, recipients)

    async def refuse(self, number: int, refused: Sequence[Refused]) -> None:
        """See the port. Raises TryLater where the campaign was swept meanwhile."""
        if not refused:
            return
        async with self._database.writing() as connection:
            await staging.staged(connection, number)
            await staging.settle(connection, number, refused, now=self._database.clock.now())

    async def accept(self, number: int, *, fingerprint: bytes) -> tuple[int, bool]:
        """See the port. Raises TryLater where the campaign was swept meanwhile."""
        async with self._database.writing() as connection:
            row = await staging.staged(connection, number)
            request_id = campaign_rows.request_id_of(row.envelope)
            other, facts = await staging.request(connection, request_id), {}
            if other is None:
                provider = await staging.lock_provider(connection, row.provider_id)
                facts = {"campaign": number, "provider": provider}
                other = await staging.request(connection, request_id)
            if other is None:
                now = self._database.clock.now()
                facts |= await staging.start(connection, row, fingerprint=fingerprint, now=now)
            elif other[0] != number:
                await staging.remove(connection, number)
        # Only now: the transaction is durable, and its removal is not taken back by an error.
        if other is None:
            _log.info("campaign accepted", extra=facts)
            return number, True
        if other[1] != fingerprint:
            raise AlreadyExists(request_id)
        return other[0], False

    async def discard(self, number: int) -> None:
        """See the port."""
        mine = (_campaigns.c.number == number) & _campaigns.c.request_id.is_(None)
        async with self._database.writing() as connection:
            found = select(_campaigns.c.number).where(mine).with_for_update()
            if (await connection.execute(found)).first() is not None:
                await staging.remove(connection, number)

    async def sweep(self, *, begun_before: float) -> int:
        """See the port."""
        old = _campaigns.c.request_id.is_(None) & (_campaigns.c.created_at < begun_before)
        async with self._database.writing() as connection:
            found = select(_campaigns.c.number).where(old).with_for_update()
            numbers = (await connection.execute(found)).scalars().all()
            for number in numbers:
                await staging.remove(connection, number)
        if numbers:
            _log.info("campaigns that came in only in part removed", extra={"count": len(numbers)})
        return len(numbers)

    async def by_request(self, request_id: str) -> tuple[int, bytes] | None:
        """See the port."""
        async with self._database.reading() as connection:
            return await staging.request(connection, request_id)

    async def get(self, number: int) -> Campaign:
        """See the port."""
        async with self._database.reading() as connection:
            return await _get(self._database, connection, number)

    async def list(
        self,
        *,
        before: int | None,
        limit: int,
        provider_id: int | None = None,
        states: Collection[CampaignState] = (),
    ) -> Sequence[Campaign]:
        """See the port."""
        found = campaign_rows.accepted_campaigns().order_by(_campaigns.c.number.desc())
        if before is not None:
            found = found.where(_campaigns.c.number < before)
        if provider_id is not None:
            found = found.where(_campaigns.c.provider_id == provider_id)
        if states:
            found = found.where(_campaigns.c.state.in_([state.value for state in states]))
        async with self._database.reading() as connection:
            rows = (await connection.execute(found.limit(limit))).all()
            sums = campaign_rows.counts_by_campaign([row.number for row in rows])
            counts = campaign_rows.read_counts((await connection.execute(sums)).all())
        now, trouble = self._database.clock.now(), self._database.trouble
        return [campaign_rows.read_campaign(row, counts, now=now, trouble=trouble) for row in rows]

    async def change_state(self, number: int, update: StateChange) -> Campaign:
        """See the port. A campaign that goes on with nothing left to send is COMPLETED."""
        async with self._database.writing() as connection:
            state = await _lock_state(connection, number)
            change = update(state)
            now = self._database.clock.now()
            if change is None:
                return await _get(self._database, connection, number)
            new, reason = change
            if new is CampaignState.CANCELLED and not state.ended:
                await connection.run_sync(cancel_queued, number, now=now)
            if new is CampaignState.SENDING and not await _has_work(connection, number):
                new = CampaignState.COMPLETED
            await _store_state(connection, number, new, reason, now=now)
            campaign = await _get(self._database, connection, number)
        _tell(campaign, before=state)
        return campaign

    async def resolve_unknown(
        self, number: int, *, resend: bool, ordinals: Collection[int] | None = None
    ) -> tuple[int, int]:
        """See the port."""
        now = self._database.clock.now()
        async with self._database.writing() as connection:
            state = await _lock_state(connection, number)
            if resend and state.ended and state is not CampaignState.COMPLETED:
                raise NotPossibleNow(f"the campaign is {state}; its messages are not sent again")
            wanted = None if ordinals is None else set(ordinals)
            unknown = await unknown_ordinals(connection, number, wanted)
            await resolve(connection, number, unknown, resend=resend, now=now)
            if resend and unknown and state is CampaignState.COMPLETED:
                reason = "unknown messages are sent again"
                await _store_state(connection, number, CampaignState.SENDING, reason, now=now)
        if unknown:
            facts = {"campaign": number, "count": len(unknown), "resent": resend}
            _log.info("unknown messages resolved", extra=facts)
        return len(unknown), 0 if wanted is None else len(wanted) - len(unknown)

    async def resends(self, number: int, ordinal: int) -> Sequence[Resend]:
        """See the port."""
        async with self._database.reading() as connection:
            return await resends_of(connection, number, ordinal)

    async def messages(
        self,
        number: int,
        *,
        after: int,
        limit: int,
        states: Collection[MessageState] = (),
        email_key: str = "",
    ) -> tuple[Sequence[MessageRow], int | None]:
        """See the port. A page may hold fewer than `limit` and still have a next one.

        Raises NotFound for a campaign that is not there or not accepted.
        """
        page: list[MessageRow] = []
        async with self._database.reading() as connection:
            await _require(connection, number)
            for _ in range(_MAX_CHUNKS):
                chunk = await next_chunk(connection, number, after=after, states=states)
                if chunk is None:
                    return page, None
                own = await own_rows(connection, chunk)
                for message in messages_of(chunk, own, email_key=email_key):
                    if message.ordinal <= after or (states and message.state not in states):
                        continue
                    if len(page) == limit:
                        return page, page[-1].ordinal
                    page.append(message)
                after = (chunk.number + 1) * CHUNK_SIZE - 1
        return page, after

    async def recipients(self, number: int, ordinals: Sequence[int]) -> Mapping[int, Recipient]:
        """See the port."""
        wanted = set(ordinals)
        in_chunks = _recipients.c.chunk_number.in_({ordinal // CHUNK_SIZE for ordinal in wanted})
        found = select(_recipients).where(_recipients.c.campaign_number == number, in_chunks)
        async with self._database.reading() as connection:
            rows = (await connection.execute(found)).all()
        return {
            ordinal: recipient
            for row in rows
            for ordinal, recipient in enumerate(decode(row.body), row.chunk_number * CHUNK_SIZE)
            if ordinal in wanted
        }


def _tell(campaign: Campaign, *, before: CampaignState) -> None:
    facts = {
        "campaign": campaign.number,
        "provider": campaign.provider,
        "before": before.value,
        "reason": campaign.state_reason,
    }
    level = logging.WARNING if campaign.state in _WARNED_OF else logging.INFO
    _log.log(level, "campaign %s", campaign.state.value.lower(), extra=facts)


async def _get(database: Database, connection: AsyncConnection, number: int) -> Campaign:
    found = campaign_rows.accepted_campaigns().where(_campaigns.c.number == number)
    row = (await connection.execute(found)).one_or_none()
    if row is None:
        raise NotFound("campaign", str(number))
    body = select(schema.contents.c.body).where(schema.contents.c.campaign_number == number)
    sums = campaign_rows.counts_by_campaign([number])
    counts = campaign_rows.read_counts((await connection.execute(sums)).all())
    content = (await connection.execute(body)).scalar_one()
    now, trouble = database.clock.now(), database.trouble
    return campaign_rows.read_campaign(row, counts, now=now, trouble=trouble, body=content)


async def _require(connection: AsyncConnection, number: int) -> None:
    accepted = (_campaigns.c.number == number) & _campaigns.c.request_id.is_not(None)
    if (await connection.execute(select(_campaigns.c.number).where(accepted))).first() is None:
        raise NotFound("campaign", str(number))


async def _lock_state(connection: AsyncConnection, number: int) -> CampaignState:
    accepted = (_campaigns.c.number == number) & _campaigns.c.request_id.is_not(None)
    found = select(_campaigns.c.state).where(accepted).with_for_update()
    state = (await connection.execute(found)).scalar_one_or_none()
    if state is None:
        raise NotFound("campaign", str(number))
    return CampaignState(state)


async def _has_work(connection: AsyncConnection, number: int) -> bool:
    left = (_chunks.c.campaign_number == number) & (_chunks.c.state != ChunkState.DONE)
    return bool((await connection.execute(select(exists().where(left)))).scalar_one())


async def _store_state(
    connection: AsyncConnection, number: int, state: CampaignState, reason: str, *, now: float
) -> None:
    """Stores the state, and the time where it is the campaign's start or its end."""
    this = update(_campaigns).where(_campaigns.c.number == number)
    await connection.execute(this.values(state=state.value, state_reason=reason))
    if state is CampaignState.SENDING:
        await connection.execute(
            this.where(_campaigns.c.started_at.is_(None)).values(started_at=now)
        )
    ended_at = func.coalesce(_campaigns.c.ended_at, now) if state.ended else None
    await connection.execute(this.values(ended_at=ended_at))
