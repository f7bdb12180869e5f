"""A campaign as rows: what is written of it, and how it is read back.

What a listing shows stands in `campaigns`; the bodies and the replacements stand in `contents`.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Row, Select, func, select

from adapters.sql import schema
from adapters.sql.provider_codec import read_circuit
from domain.campaign import CampaignSpec, CampaignState, Content, DeliveryGuarantee
from domain.message import Counts, MessageState
from domain.standstill import standstill
from services.ports import Campaign

# The state of a campaign that was not accepted yet. No CampaignState: nothing else looks for it.
STAGED = "STAGED"

_NO_COUNTS = Counts()
_HELD_UP = ("paused_until", "pause_reason", "failures", "opened", "open_until", "failure")


def new_campaign(spec: CampaignSpec, provider_id: int, *, now: float) -> Mapping[str, object]:
    """The row of a campaign that begins."""
    return {
        "provider_id": provider_id,
        "name": spec.name,
        "envelope": _envelope(spec).decode(),
        "guarantee": spec.guarantee.value,
        "state": STAGED,
        "send_at": spec.send_at,
        "send_before": spec.send_before,
        "created_at": now,
    }


def _envelope(spec: CampaignSpec) -> bytes:
    content = spec.content
    return orjson.dumps(
        {
            # The column `request_id` is set on acceptance; until then the id waits here.
            "request_id": spec.request_id,
            "subject": content.subject,
            "from_name": content.from_name,
            "from_address": content.from_address,
            "reply_to": content.reply_to,
            "cc": content.cc,
            "bcc": content.bcc,
        }
    )


def request_id_of(envelope: str) -> str:
    """The request id that a campaign began with."""
    return str(orjson.loads(envelope)["request_id"])


def encode_bodies(content: Content) -> bytes:
    """zlib of JSON: the bodies and the campaign's replacements."""
    bodies = {
        "html": content.html,
        "plaintext": content.plaintext,
        "amp_html": content.amp_html,
        "replacements": content.replacements,
    }
    return zlib.compress(orjson.dumps(bodies))


def decode_content(envelope: str, body: bytes | None) -> Content:
    """The content; without bodies and replacements where `body` is None."""
    fields = orjson.loads(envelope)
    del fields["request_id"]
    fields["cc"], fields["bcc"] = tuple(fields["cc"]), tuple(fields["bcc"])
    bodies = {} if body is None else orjson.loads(zlib.decompress(body))
    return Content(**fields, **bodies)


def accepted_campaigns() -> Select[Any]:
    """Every accepted campaign with the nickname of its provider, and what holds that up."""
    provider = schema.providers.c.nickname.label("provider")
    held_up = [schema.providers.c[name] for name in _HELD_UP]
    joined = schema.campaigns.join(
        schema.providers, schema.providers.c.id == schema.campaigns.c.provider_id
    )
    known = schema.campaigns.c.request_id.is_not(None)
    return select(schema.campaigns, provider, *held_up).select_from(joined).where(known)


def counts_by_campaign(numbers: Sequence[int]) -> Select[Any]:
    """A row for each campaign that has chunks: its number, and its messages in each state."""
    number = schema.chunks.c.campaign_number
    sums = [func.sum(column) for column in count_columns()]
    return select(number, *sums).where(number.in_(numbers)).group_by(number)


def count_columns() -> list[ColumnElement[int]]:
    """The columns of a chunk that count messages, in the order of MessageState."""
    return [count_column(state) for state in MessageState]


def count_column(state: MessageState) -> ColumnElement[int]:
    return schema.chunks.c[state.value.lower()]


def read_counts(rows: Sequence[Row[Any]]) -> Mapping[int, Counts]:
    """The counts by campaign, of the rows that `counts_by_campaign` selects."""
    return {row[0]: Counts(tuple(map(int, row[1:]))) for row in rows}


def read_campaign(
    row: Row[Any],
    counts: Mapping[int, Counts],
    *,
    now: float,
    trouble: str,
    body: bytes | None = None,
) -> Campaign:
    """The campaign of a row that `accepted_campaigns` selects, as it stands now.

    `trouble` is what keeps the database from taking anything, or empty.
    """
    return Campaign(
        number=row.number,
        spec=CampaignSpec(
            request_id=row.request_id,
            provider=row.provider,
            content=decode_content(row.envelope, body),
            name=row.name,
            guarantee=DeliveryGuarantee(row.guarantee),
            send_at=row.send_at,
            send_before=row.send_before,
        ),
        provider_id=row.provider_id,
        provider=row.provider,
        state=CampaignState(row.state),
        state_reason=_reason(row, now, trouble),
        counts=counts.get(row.number, _NO_COUNTS),
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def _reason(row: Row[Any], now: float, trouble: str) -> str:
    """Why it is in its state. What holds up one that is SENDING is not stored with it."""
    if row.state != CampaignState.SENDING:
        return str(row.state_reason)
    if trouble:
        return f"waiting: the database cannot be written: {trouble}"
    held_up = standstill(row.paused_until, row.pause_reason, read_circuit(row), now=now)
    return held_up or str(row.state_reason)
