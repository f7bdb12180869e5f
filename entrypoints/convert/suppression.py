"""Suppressions: addresses that get no more mail, and the events that they came from."""

from domain.callback import CallbackType
from domain.events import EVENTS_OF_CALLBACK, Cursor, SystemEventType
from domain.message_id import MessageIds
from domain.suppression import Suppression, SuppressionReason
from entrypoints.convert.enums import pair
from entrypoints.convert.event import event_id
from entrypoints.convert.times import to_timestamp
from espalier.v1 import suppression_pb2

REASONS = pair(SuppressionReason, suppression_pb2.SuppressionReason.Value, "SUPPRESSION_REASON")

# What the API promises of Suppression.detail.
MAX_DETAIL_CHARACTERS = 1024

_CALLBACKS = {
    SuppressionReason.HARD_BOUNCE: CallbackType.HARD_BOUNCE,
    SuppressionReason.UNSUBSCRIBED: CallbackType.UNSUBSCRIBED,
    SuppressionReason.COMPLAINT: CallbackType.SPAM,
}


def to_suppression(suppression: Suppression, ids: MessageIds) -> suppression_pb2.Suppression:
    number = suppression.campaign_number
    return suppression_pb2.Suppression(
        email=suppression.key,
        reason=REASONS.to_proto[suppression.reason],
        detail=suppression.detail[:MAX_DETAIL_CHARACTERS],
        source_event_id=_source(suppression),
        campaign_id="" if number is None else str(number),
        message_id=_message_id(suppression, ids),
        provider=suppression.provider,
        create_time=to_timestamp(suppression.created_at),
    )


def _source(suppression: Suppression) -> str:
    """The Channel Unsubscribed of the callback: a hard bounce raises another event before it."""
    callback = _CALLBACKS.get(suppression.reason)
    if suppression.event_position is None or callback is None:
        return ""
    offset = EVENTS_OF_CALLBACK[callback].index(SystemEventType.CHANNEL_UNSUBSCRIBED)
    return event_id(Cursor(suppression.event_position, offset))


def _message_id(suppression: Suppression, ids: MessageIds) -> str:
    number, ordinal = suppression.campaign_number, suppression.ordinal
    if number is None or ordinal is None:
        return ""
    return ids.campaign_message(number, ordinal)
