"""System events: what StreamEvents and ListEvents send, up to millions of them in one catch-up."""

from domain.address import address_key
from domain.events import Cursor, SystemEvent, SystemEventType
from entrypoints.convert.enums import pair
from entrypoints.convert.times import put_time
from espalier.v1 import common_pb2, event_pb2

EVENT_TYPES = pair(SystemEventType, common_pb2.EventType.Value, "EVENT_TYPE")


def event_id(cursor: Cursor) -> str:
    """An event never moves within the log, so that its place is its id."""
    return str(cursor)


def to_event(event: SystemEvent) -> event_pb2.Event:
    """Fields are set one by one, and only those that say something: it takes half the time."""
    message = event_pb2.Event()
    message.cursor = message.event_id = event_id(event.cursor)
    message.type = EVENT_TYPES.to_proto[event.type]
    if event.campaign_number is not None:
        message.campaign_id = str(event.campaign_number)
    message.message_id = event.message_id
    message.recipient = event.recipient
    if event.reported_email:
        message.reported_email = _reported(event)
    message.provider = event.provider
    message.error = event.error
    message.unsubscribe_type = event.unsubscribe_type
    message.source = event.source
    if event.callback_type is not None:
        message.callback_type = event.callback_type.value
    message.test = event.test
    if event.description:
        message.description = event.description
    put_time(message.occur_time, event.occurred_at)
    put_time(message.receive_time, event.received_at)
    return message


def _reported(event: SystemEvent) -> str:
    """The address that the ESP named, where it is another one than the message's."""
    reported = event.reported_email
    if not reported or reported == event.recipient:
        return ""
    return "" if address_key(reported) == address_key(event.recipient) else reported
