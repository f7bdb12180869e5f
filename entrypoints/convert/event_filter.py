"""What a client wants to see of the event log."""

from collections.abc import Iterator

from domain.address import address_key
from domain.errors import InvalidRequest, Violation
from domain.event_filter import EventFilter
from domain.message_id import MessageIds, MessageKind, MessageRef
from domain.numbers import LARGEST, read_number
from domain.provider import nickname_key
from entrypoints.convert.event import EVENT_TYPES
from entrypoints.convert.times import from_timestamp, timestamp_fault
from espalier.v1 import event_pb2


def read_event_filter(
    message: event_pb2.EventFilter, ids: MessageIds, *, may_end: bool
) -> EventFilter:
    """Raises InvalidRequest with all that is wrong, every field with `filter.` before it.

    An end of time is refused unless it `may_end`: a stream goes on until its client ends it.
    """
    campaign_number = _campaign_number(message.campaign_id)
    of_message = _message(message.message_id, ids)
    faults = list(_faults(message, may_end))
    if message.campaign_id and campaign_number is None:
        text = "is no id of a campaign; give it as SendCampaign answered it, or leave it empty"
        faults.append(_violation("campaign_id", "INVALID_CAMPAIGN_ID", text))
    if message.message_id and of_message is None:
        text = "is no id of a message that was sent from here; give it as it was, or leave it empty"
        faults.append(_violation("message_id", "INVALID_MESSAGE_ID", text))
    if faults:
        raise InvalidRequest(faults)
    return EventFilter(
        campaign_number=campaign_number,
        message=of_message,
        provider=nickname_key(message.provider),
        recipient=address_key(message.recipient),
        types=frozenset(EVENT_TYPES.of_proto[number] for number in message.types),
        received_from=from_timestamp(message.start_time)
        if message.HasField("start_time")
        else None,
        received_before=from_timestamp(message.end_time) if message.HasField("end_time") else None,
        test=message.test if message.HasField("test") else None,
    )


def _faults(message: event_pb2.EventFilter, may_end: bool) -> Iterator[Violation]:
    for i, number in enumerate(message.types):
        if number not in EVENT_TYPES.of_proto:
            yield EVENT_TYPES.violation(number, f"filter.types[{i}]")
    for time, field in ((message.start_time, "start_time"), (message.end_time, "end_time")):
        fault = timestamp_fault(time, f"filter.{field}")
        if fault is not None:
            yield fault
    if message.HasField("end_time") and not may_end:
        text = "has no meaning in a stream, which never ends; leave it out, or use ListEvents"
        yield _violation("end_time", "NOT_WITH_STREAM", text)


def _campaign_number(campaign_id: str) -> int | None:
    """None for an empty id, and for one that no campaign can have."""
    number = read_number(campaign_id)
    return number if number is not None and number <= LARGEST else None


def _message(message_id: str, ids: MessageIds) -> MessageRef | None:
    """None for an empty id, for one that is not ours, and for an example out of a preview."""
    found = ids.read(message_id)
    return None if found is None or found.kind is MessageKind.PREVIEW else found


def _violation(field: str, reason: str, message: str) -> Violation:
    return Violation(field=f"filter.{field}", reason=reason, message=message)
