"""How a worker comes to a chunk: which one's turn it is, and what it needs to know of it."""

import logging
import zlib
from typing import Any, NamedTuple

from sqlalchemy import Connection, Float, Row, Select, and_, bindparam, func, or_, select, update

from adapters.sql import schema
from adapters.sql.ahead import ahead
from adapters.sql.campaign_rows import decode_content
from adapters.sql.chunk_rows import read_chunk
from adapters.sql.prepared import Prepared
from adapters.sql.recipients_codec import decode
from adapters.sql.schema import LARGE_LANE, SMALL_LANE
from adapters.sql.steps import own_ordinals
from adapters.sql.work import Known
from domain.campaign import CampaignState, DeliveryGuarantee
from domain.chunk import ChunkState
from domain.circuit import LONGEST_WAIT
from domain.retry import MAX_RETRY_AFTER_SECONDS
from services.ports import MOST_BUSY, Claim

_log = logging.getLogger(__name__)

_chunks, _campaigns, _providers = schema.chunks, schema.campaigns, schema.providers
_contents, _recipients = schema.contents, schema.recipients


class Lease(NamedTuple):
    """Who wants a chunk, for how long, and of which it has to be a small campaign's."""

    worker: str
    seconds: float
    small_only: bool
    busy: tuple[int, ...]


def claims_of(
    connection: Connection, *, lease: Lease, limit: int, now: float
) -> list[tuple[Claim, Known]]:
    """The claims, and the chunks of them as they are stored."""
    claims: list[tuple[Claim, Known]] = []
    while len(claims) < limit:
        found = next_due(connection, lease=lease, now=now)
        if found is None:
            break
        _take(connection, found, lease, now)
        try:
            claims.append(_claim(connection, found))
        except (zlib.error, ValueError, TypeError) as error:
            _set_aside(connection, found, error)
    return claims


def _set_aside(connection: Connection, row: Row[Any], error: Exception) -> None:
    """Pauses the campaign of a chunk that cannot be read: one worker after the other would end."""
    # What the error says may be a person's data; its type is not.
    reason = (
        f"chunk {row.number} cannot be read from the database: {type(error).__name__}; "
        "restore its rows in recipients and contents from a backup, and resume the campaign"
    )
    campaign = _campaigns.c.number == row.campaign_number
    paused = {"state": CampaignState.PAUSED.value, "state_reason": reason}
    connection.execute(update(_campaigns).where(campaign).values(paused))
    let_go = {"state": int(ChunkState.READY), "worker": "", "lease_until": 0.0}
    this = (_chunks.c.campaign_number == row.campaign_number) & (_chunks.c.number == row.number)
    connection.execute(update(_chunks).where(this).values(let_go))
    facts = {"campaign": row.campaign_number, "chunk": row.number}
    _log.error("campaign paused: a chunk of it cannot be read", extra=facts)


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


def next_due(connection: Connection, *, lease: Lease, now: float) -> Row[Any] | None:
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


def _claim(connection: Connection, row: Row[Any]) -> tuple[Claim, Known]:
    this = {"this_campaign": row.campaign_number, "this_chunk": row.number}
    claimed = _CLAIMED.execute(connection, this).one()
    chunk = read_chunk(claimed)
    own = own_ordinals(connection, chunk)
    claim = Claim(
        chunk=chunk,
        provider_id=claimed.provider_id,
        guarantee=DeliveryGuarantee(claimed.guarantee),
        content=decode_content(claimed.envelope, claimed.content),
        send_before=claimed.send_before,
        recipients=decode(claimed.people),
        settled=frozenset(own.intersection(chunk.open_ordinals())),
        is_small=claimed.lane == SMALL_LANE,
    )
    return claim, Known(chunk, claimed.revision, own)
