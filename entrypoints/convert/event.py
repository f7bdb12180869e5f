"""System events: what StreamEvents and ListEvents send, up to millions of them in one catch-up."""

from domain.address import address_key
from domain.events import Cursor, SystemEvent, SystemEventType
from entrypoints.convert.enums import pair
from entrypoints.convert.times import to_timestamp
from espalier.v1 import common_pb2, event_pb2

EVENT_TYPES = pair(SystemEventType, common_pb2.EventType.Value, "EVENT_TYPE")


def event_id(cursor: Cursor) -> str:
    """An event never moves within the log, so that its place is its id."""
    return str(cursor)


def to_event(event: SystemEvent) -> event_pb2.Event:
    number = event.campaign_number
    place = event_id(event.cursor)
    return event_pb2.Event(
        cursor=place,
        event_id=place,
        type=EVENT_TYPES.to_proto[event.type],
        campaign_id="" if number is None else str(number),
        message_id=event.message_id,
        recipient=event.recipient,
        reported_email=_reported(event),
        provider=event.provider,
        error=event.error,
        unsubscribe_type=event.unsubscribe_type,
        source=event.source,
        callback_type="" if event.callback_type is None else event.callback_type.value,
        test=event.test,
        occur_time=to_timestamp(event.occurred_at),
        receive_time=to_timestamp(event.received_at),
    )


def _reported(event: SystemEvent) -> str:
    """The address that the ESP named, where it is another one than the message's."""
    reported = event.reported_email
    if not reported or reported == event.recipient:
        return ""
    return "" if address_key(reported) == address_key(event.recipient) else reported
