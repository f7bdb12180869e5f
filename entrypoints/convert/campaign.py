"""Campaigns: what callers ask for, their recipients, and how campaigns and messages stand."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from google.protobuf.timestamp_pb2 import Timestamp

from domain.campaign import (
    CampaignSpec,
    CampaignState,
    Content,
    DeliveryGuarantee,
    JsonValue,
    Recipient,
)
from domain.errors import Violation
from domain.message import Counts, MessageState
from domain.message_id import MessageIds
from entrypoints.convert.enums import pair
from entrypoints.convert.times import (
    from_timestamp,
    timestamp_fault,
    to_timestamp,
    to_timestamp_or_none,
)
from entrypoints.convert.values import from_struct
from espalier.v1 import campaign_pb2, common_pb2
from services.ports import Campaign, MessageRow

GUARANTEES = pair(DeliveryGuarantee, common_pb2.DeliveryGuarantee.Value, "DELIVERY_GUARANTEE")
CAMPAIGN_STATES = pair(CampaignState, campaign_pb2.CampaignState.Value, "CAMPAIGN_STATE")
MESSAGE_STATES = pair(MessageState, campaign_pb2.MessageState.Value, "MESSAGE_STATE")

# What the API promises of Message.detail and TimelineEntry.detail.
MAX_DETAIL_CHARACTERS = 1024
# One for all of the recipients that have none; a Recipient never changes its own.
_NONE: Mapping[str, JsonValue] = {}


def read_spec(message: common_pb2.CampaignSpec) -> tuple[CampaignSpec, list[Violation]]:
    """What a caller wants to send, and a fault for each field that the domain has no value for.

    Such a field is left out of the campaign. Every fault's field has `campaign.` before it.
    """
    spec = CampaignSpec(
        request_id=message.request_id,
        provider=message.provider,
        content=read_content(message),
        name=message.name,
        guarantee=GUARANTEES.of_proto.get(
            message.delivery_guarantee, DeliveryGuarantee.AT_MOST_ONCE
        ),
        send_at=_time(message, "send_at"),
        send_before=_time(message, "send_before"),
    )
    return spec, list(_faults(message))


def read_draft(message: common_pb2.CampaignSpec) -> CampaignSpec:
    """What a caller wants to see: a preview and a test email ignore guarantee and times."""
    return CampaignSpec(
        request_id=message.request_id,
        provider=message.provider,
        content=read_content(message),
        name=message.name,
    )


def read_content(message: common_pb2.CampaignSpec) -> Content:
    return Content(
        subject=message.subject,
        from_name=message.from_name,
        from_address=message.from_address,
        reply_to=message.reply_to,
        cc=tuple(message.cc),
        bcc=tuple(message.bcc),
        html=message.html,
        plaintext=message.plaintext,
        amp_html=message.amp_html,
        replacements=from_struct(message.replacements),
    )


def read_recipients(messages: Iterable[common_pb2.Recipient]) -> list[Recipient]:
    """The recipients in their order; the way in of campaigns of millions."""
    return [
        Recipient(
            each.email,
            each.name,
            from_struct(each.replacements) if each.HasField("replacements") else _NONE,
        )
        for each in messages
    ]


def to_campaign(campaign: Campaign) -> campaign_pb2.Campaign:
    spec, content = campaign.spec, campaign.spec.content
    return campaign_pb2.Campaign(
        campaign_id=str(campaign.number),
        request_id=spec.request_id,
        provider=campaign.provider,
        name=spec.name,
        subject=content.subject,
        from_name=content.from_name,
        from_address=content.from_address,
        reply_to=content.reply_to,
        cc=content.cc,
        bcc=content.bcc,
        state=CAMPAIGN_STATES.to_proto[campaign.state],
        state_reason=campaign.state_reason,
        delivery_guarantee=GUARANTEES.to_proto[spec.guarantee],
        send_at=to_timestamp_or_none(spec.send_at),
        send_before=to_timestamp_or_none(spec.send_before),
        counts=to_counts(campaign.counts),
        create_time=to_timestamp(campaign.created_at),
        start_time=to_timestamp_or_none(campaign.started_at),
        end_time=to_timestamp_or_none(campaign.ended_at),
    )


def to_counts(counts: Counts) -> campaign_pb2.MessageCounts:
    message = campaign_pb2.MessageCounts(total=counts.total)
    for state, number in counts.items():
        # The fields have the states' names.
        setattr(message, state.value.lower(), number)
    return message


def to_messages(
    campaign_number: int, rows: Sequence[MessageRow], ids: MessageIds
) -> list[campaign_pb2.Message]:
    """Messages of one campaign. `update_time` is absent where only their chunk is known."""
    tokens = ids.campaign_messages(campaign_number, [row.ordinal for row in rows])
    return [
        _to_message(campaign_number, row, token) for row, token in zip(rows, tokens, strict=True)
    ]


def _to_message(campaign_number: int, row: MessageRow, token: str) -> campaign_pb2.Message:
    return campaign_pb2.Message(
        # A duplicate has no message of its own.
        message_id="" if row.state is MessageState.DUPLICATE else token,
        campaign_id=str(campaign_number),
        recipient_index=row.ordinal,
        email=row.recipient.email,
        name=row.recipient.name,
        state=MESSAGE_STATES.to_proto[row.state],
        reason=row.reason,
        detail=row.detail[:MAX_DETAIL_CHARACTERS],
        update_time=to_timestamp_or_none(row.updated_at),
    )


def _time(
    message: common_pb2.CampaignSpec, name: Literal["send_at", "send_before"]
) -> float | None:
    """None where none is given, and where what is given is among the faults."""
    time: Timestamp = getattr(message, name)
    if not message.HasField(name) or timestamp_fault(time, name) is not None:
        return None
    return from_timestamp(time)


def _faults(message: common_pb2.CampaignSpec) -> Iterator[Violation]:
    guarantee = message.delivery_guarantee
    if guarantee and guarantee not in GUARANTEES.of_proto:
        yield GUARANTEES.violation(guarantee, "campaign.delivery_guarantee")
    for time, field in (
        (message.send_at, "campaign.send_at"),
        (message.send_before, "campaign.send_before"),
    ):
        fault = timestamp_fault(time, field)
        if fault is not None:
            yield fault
