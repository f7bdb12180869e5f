"""A campaign on its way in, within the transactions of its repository."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql import recipients_codec, schema
from adapters.sql.campaign_rows import request_id_of
from adapters.sql.schema import LARGE_LANE, SMALL_LANE
from domain.campaign import CampaignState, Recipient
from domain.chunk import CHUNK_SIZE, ChunkState, bits_of, planned
from domain.errors import NotPossibleNow, TryLater
from domain.message import MessageState
from services.ports import Refused

# Up to so many recipients a campaign goes before the large ones: a password reset must not wait.
SMALL_CAMPAIGN = 100

_campaigns, _chunks, _messages = schema.campaigns, schema.chunks, schema.messages


async def staged(connection: AsyncConnection, number: int) -> Row[Any]:
    """The row of a campaign that began and is still there, locked. Raises TryLater."""
    found = select(_campaigns).where(_campaigns.c.number == number).with_for_update()
    row = (await connection.execute(found)).one_or_none()
    if row is None:
        message = (
            "the campaign took too long to come in and what had come was removed; send it again"
        )
        raise TryLater(message)
    return row


async def add_chunk(
    connection: AsyncConnection, number: int, chunk_number: int, recipients: Sequence[Recipient]
) -> None:
    size = len(recipients)
    if not 0 < size <= CHUNK_SIZE:
        raise ValueError(f"a chunk holds 1 to {CHUNK_SIZE} recipients, and these are {size}")
    chunk = planned(number, chunk_number, size)
    row = {
        "campaign_number": number,
        "number": chunk_number,
        "size": size,
        "state": chunk.state,
        "open": chunk.open.to_bytes((size + 7) // 8, "little"),
        "queued": size,
    }
    await connection.execute(insert(_chunks).values(row))
    body = recipients_codec.encode(recipients)
    row = {"campaign_number": number, "chunk_number": chunk_number, "body": body}
    await connection.execute(insert(schema.recipients).values(row))


async def settle(
    connection: AsyncConnection, number: int, refused: Sequence[Refused], *, now: float
) -> None:
    rows = [
        {
            "campaign_number": number,
            "ordinal": one.ordinal,
            "state": one.state.code,
            "reason": one.reason,
            "detail": one.message,
            "updated_at": now,
        }
        for one in refused
    ]
    await connection.execute(insert(_messages), rows)
    by_ordinal = sorted(refused, key=lambda one: one.ordinal)
    for chunk_number, group in groupby(by_ordinal, key=lambda one: one.ordinal // CHUNK_SIZE):
        await _settle_chunk(connection, number, chunk_number, list(group))


async def _settle_chunk(
    connection: AsyncConnection, number: int, chunk_number: int, refused: Sequence[Refused]
) -> None:
    this = (_chunks.c.campaign_number == number) & (_chunks.c.number == chunk_number)
    row = (await connection.execute(select(_chunks).where(this))).one_or_none()
    if row is None:
        raise ValueError(
            f"chunk {chunk_number} of campaign {number} was not staged; stage it first"
        )
    gone = bits_of((one.ordinal for one in refused), chunk_number * CHUNK_SIZE)
    left = int.from_bytes(row.open, "little") & ~gone
    values: dict[str, object] = {"open": left.to_bytes(len(row.open), "little")}
    if not left:
        values["state"] = ChunkState.DONE
    counts: dict[MessageState, int] = {MessageState.QUEUED: -len(refused)}
    for one in refused:
        counts[one.state] = counts.get(one.state, 0) + 1
    for state, change in counts.items():
        column = _chunks.c[state.value.lower()]
        values[column.name] = column + change
    await connection.execute(update(_chunks).where(this).values(values))


async def request(connection: AsyncConnection, request_id: str) -> tuple[int, bytes] | None:
    """The number and fingerprint of the accepted campaign with this request id."""
    found = select(_campaigns.c.number, _campaigns.c.fingerprint)
    row = (await connection.execute(found.where(_campaigns.c.request_id == request_id))).first()
    return None if row is None else (row.number, row.fingerprint)


async def lock_provider(connection: AsyncConnection, provider_id: int) -> str:
    """Keeps the provider from being deleted until the transaction ends; its nickname.

    Raises NotPossibleNow where it was deleted already.

    It also puts acceptances through one provider in a row, so that the later of two with the same
    request id sees the earlier.
    """
    providers = schema.providers
    there = (providers.c.id == provider_id) & providers.c.nickname_key.is_not(None)
    found = select(providers.c.nickname).where(there).with_for_update()
    nickname: str | None = (await connection.execute(found)).scalar_one_or_none()
    if nickname is None:
        message = "the provider was deleted while the campaign came in; send it through another"
        raise NotPossibleNow(message, reason="PROVIDER_DELETED")
    return nickname


async def start(
    connection: AsyncConnection, row: Row[Any], *, fingerprint: bytes, now: float
) -> Mapping[str, object]:
    """Makes a staged campaign an accepted one; its state and how many recipients it has."""
    mine = _chunks.c.campaign_number == row.number
    waiting = mine & (_chunks.c.state == ChunkState.PLANNED)
    ready = await connection.execute(update(_chunks).where(waiting).values(state=ChunkState.READY))
    size = select(func.coalesce(func.sum(_chunks.c.size), 0)).where(mine)
    recipients = int((await connection.execute(size)).scalar_one())
    later = row.send_at is not None and row.send_at > now
    state = CampaignState.SCHEDULED if later else CampaignState.SENDING
    if not ready.rowcount:
        state = CampaignState.COMPLETED
    values = {
        "request_id": request_id_of(row.envelope),
        "fingerprint": fingerprint,
        "state": state.value,
        "recipients": recipients,
        "lane": SMALL_LANE if recipients <= SMALL_CAMPAIGN else LARGE_LANE,
        "started_at": None if state is CampaignState.SCHEDULED else now,
        "ended_at": now if state.ended else None,
    }
    accepted = update(_campaigns).where(_campaigns.c.number == row.number)
    await connection.execute(accepted.values(values))
    return {"state": state.value, "recipients": recipients}


async def remove(connection: AsyncConnection, number: int) -> None:
    """Removes all that there is of a campaign."""
    for table in (_messages, schema.recipients, _chunks, schema.contents):
        await connection.execute(delete(table).where(table.c.campaign_number == number))
    await connection.execute(delete(_campaigns).where(_campaigns.c.number == number))
