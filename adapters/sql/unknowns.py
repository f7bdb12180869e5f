"""Messages whose outcome was lost, and what an operator decides about them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, and_, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql import schema
from domain.chunk import CHUNK_SIZE, ChunkState, bits_of
from domain.errors import TryLater
from domain.message import ABANDONED, MessageState
from services.ports import Resend

_chunks, _messages, _resends = schema.chunks, schema.messages, schema.resends
_BY_OPERATOR = "the outcome is unknown, and an operator gave the message up"


async def unknown_ordinals(
    connection: AsyncConnection, number: int, wanted: Collection[int] | None
) -> list[int]:
    """The campaign's UNKNOWN messages, or those of `wanted`; ascending."""
    unknown = and_(
        _messages.c.campaign_number == number, _messages.c.state == MessageState.UNKNOWN.code
    )
    found = select(_messages.c.ordinal).where(unknown).order_by(_messages.c.ordinal)
    ordinals = (await connection.execute(found)).scalars().all()
    return [ordinal for ordinal in ordinals if wanted is None or ordinal in wanted]


async def resolve(
    connection: AsyncConnection,
    number: int,
    ordinals: Sequence[int],
    *,
    resend: bool,
    now: float,
) -> None:
    """Raises TryLater where a chunk with a message to resend is just being sent."""
    for chunk_number, some in _by_chunk(ordinals).items():
        if resend:
            await _queue_again(connection, number, chunk_number, some, now=now)
        else:
            await _give_up(connection, number, chunk_number, some, now=now)


async def resends_of(connection: AsyncConnection, number: int, ordinal: int) -> list[Resend]:
    """The times that this message was queued again, oldest first."""
    this = and_(_resends.c.campaign_number == number, _resends.c.ordinal == ordinal)
    found = select(_resends.c.lost_at, _resends.c.detail, _resends.c.resent_at).where(this)
    rows = await connection.execute(found.order_by(_resends.c.id))
    return [Resend(*row) for row in rows]


async def _queue_again(
    connection: AsyncConnection,
    number: int,
    chunk_number: int,
    ordinals: Sequence[int],
    *,
    now: float,
) -> None:
    this = and_(_chunks.c.campaign_number == number, _chunks.c.number == chunk_number)
    found = select(_chunks.c.state, _chunks.c.open).where(this).with_for_update()
    chunk = (await connection.execute(found)).one()
    if chunk.state in (ChunkState.CLAIMED, ChunkState.POSTING):
        # Its worker knows which messages are open, and would overwrite what is written here.
        raise TryLater("other messages near these are being sent at the moment; call again")
    opened = int.from_bytes(chunk.open, "little") | bits_of(ordinals, chunk_number * CHUNK_SIZE)
    await _remember(connection, number, ordinals, now=now)
    # With a row of its own a worker would take it for settled.
    await connection.execute(delete(_messages).where(_of(number, ordinals)))
    await connection.execute(
        update(_chunks)
        .where(this)
        .values(
            state=ChunkState.READY,
            open=opened.to_bytes(len(chunk.open), "little"),
            not_before=0.0,
            unknown=_chunks.c.unknown - len(ordinals),
            queued=_chunks.c.queued + len(ordinals),
        )
    )


async def _remember(
    connection: AsyncConnection, number: int, ordinals: Sequence[int], *, now: float
) -> None:
    """Keeps what the rows of these messages say: they may have gone out already."""
    lost = select(
        _messages.c.campaign_number,
        _messages.c.ordinal,
        func.coalesce(_messages.c.lost_at, _messages.c.updated_at),
        _messages.c.detail,
        literal(now),
    ).where(_of(number, ordinals))
    names = ("campaign_number", "ordinal", "lost_at", "detail", "resent_at")
    await connection.execute(insert(_resends).from_select(names, lost))


async def _give_up(
    connection: AsyncConnection,
    number: int,
    chunk_number: int,
    ordinals: Sequence[int],
    *,
    now: float,
) -> None:
    given_up = {
        "state": MessageState.CANCELLED.code,
        "reason": ABANDONED,
        "detail": _BY_OPERATOR,
        "updated_at": now,
    }
    await connection.execute(update(_messages).where(_of(number, ordinals)).values(given_up))
    this = and_(_chunks.c.campaign_number == number, _chunks.c.number == chunk_number)
    counts = {
        "unknown": _chunks.c.unknown - len(ordinals),
        "cancelled": _chunks.c.cancelled + len(ordinals),
    }
    await connection.execute(update(_chunks).where(this).values(counts))


def _by_chunk(ordinals: Sequence[int]) -> Mapping[int, list[int]]:
    chunks: dict[int, list[int]] = defaultdict(list)
    for ordinal in ordinals:
        chunks[ordinal // CHUNK_SIZE].append(ordinal)
    return chunks


def _of(number: int, ordinals: Sequence[int]) -> ColumnElement[bool]:
    return and_(_messages.c.campaign_number == number, _messages.c.ordinal.in_(ordinals))
