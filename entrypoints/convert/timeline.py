"""Timelines: what happened to one message, in sentences."""

from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import TypeAlias

from domain.callback import CallbackType
from domain.campaign import CampaignState
from domain.events import SystemEvent, SystemEventType
from domain.message import ABANDONED, MessageState
from entrypoints.convert.campaign import MAX_DETAIL_CHARACTERS
from entrypoints.convert.event import EVENT_TYPES, event_id
from entrypoints.convert.times import to_timestamp
from espalier.v1 import campaign_pb2
from services.read_message import History
from services.shares import ANSWER_UNREADABLE

_EVENTS: Mapping[tuple[SystemEventType, CallbackType | None], str] = {
    (SystemEventType.NOTIFICATION_SENT, None): "The ESP accepted it.",
    (SystemEventType.NOTIFICATION_FAILED, None): "The ESP refused it.",
    (SystemEventType.NOTIFICATION_DELIVERED, CallbackType.DELIVERED): "It was delivered.",
    (SystemEventType.NOTIFICATION_FAILED, CallbackType.SOFT_BOUNCE): (
        "It was not delivered for now: a soft bounce."
    ),
    (SystemEventType.NOTIFICATION_FAILED, CallbackType.HARD_BOUNCE): (
        "It cannot be delivered: a hard bounce."
    ),
    (SystemEventType.CHANNEL_UNSUBSCRIBED, CallbackType.HARD_BOUNCE): (
        "The address was suppressed because of the hard bounce."
    ),
    (SystemEventType.CHANNEL_UNSUBSCRIBED, CallbackType.UNSUBSCRIBED): (
        "The recipient unsubscribed, and the address was suppressed."
    ),
    (SystemEventType.CHANNEL_UNSUBSCRIBED, CallbackType.SPAM): (
        "The recipient called it spam, and the address was suppressed."
    ),
    (SystemEventType.NOTIFICATION_CLICKED, CallbackType.CLICKED): "The recipient followed a link.",
    (SystemEventType.NOTIFICATION_OPENED, CallbackType.OPENED): "The recipient opened it.",
    (SystemEventType.NOTIFICATION_DEFERRED, CallbackType.DEFERRED): (
        "It was not delivered yet: the ESP goes on trying."
    ),
    (SystemEventType.NOTIFICATION_DROPPED, CallbackType.DROPPED): "The ESP will not send it.",
    (SystemEventType.CHANNEL_RESUBSCRIBED, CallbackType.RESUBSCRIBED): (
        "The recipient subscribed again at the ESP; a suppression here stays."
    ),
    (SystemEventType.NOTIFICATION_UNKNOWN, CallbackType.UNKNOWN): (
        "The ESP reported something that the provider's webhook mapping has no type for."
    ),
}
_NOT_SENT: Mapping[MessageState, str] = {
    MessageState.REJECTED: "It was rejected.",
    MessageState.SUPPRESSED: "It was not sent: the address was suppressed.",
    MessageState.DUPLICATE: (
        "It was not sent: an earlier recipient of the campaign has the same address."
    ),
    MessageState.CANCELLED: "It was not sent: the campaign had ended.",
    MessageState.EXPIRED: "It was not sent: the campaign's send_before had passed.",
}
_LOST = "A request with it left, and the answer was lost."
_UNREADABLE = "A request with it left, and the answer could not be read."
_GIVEN_UP = "Its outcome was unknown, and ResolveUnknownMessages gave it up."
_RESENT = "Its outcome was unknown, and ResolveUnknownMessages had it sent again."

# What happened in the next second comes behind it.
_NEARLY_A_SECOND = 0.999999

Timed: TypeAlias = tuple[float, campaign_pb2.TimelineEntry]
"""An entry, and when (epoch seconds) it has its place among the others."""


def to_timeline(history: History) -> list[campaign_pb2.TimelineEntry]:
    """Oldest first. What the log does not tell follows from where the message stands now."""
    entries = [
        _at(
            history.campaign.created_at,
            campaign_pb2.TIMELINE_ENTRY_KIND_STORED,
            "The recipient was stored with the campaign.",
        ),
        *_of_attempts(history),
        *map(_of_event, history.events),
        *_of_state(history),
    ]
    # Sorting is stable: events of one time stay in the order of the log.
    return [entry for _, entry in sorted(entries, key=itemgetter(0))]


def _of_event(event: SystemEvent) -> Timed:
    text = _EVENTS.get((event.type, event.callback_type), f"{event.type.label}.")
    detail = event.error or event.unsubscribe_type
    kind = campaign_pb2.TIMELINE_ENTRY_KIND_EVENT
    entry = _entry(event.occurred_at, kind, text, detail)
    entry.event_type = EVENT_TYPES.to_proto[event.type]
    entry.event_id = event_id(event.cursor)
    return _place(event), entry


def _place(event: SystemEvent) -> float:
    """When it happened, or may have at the latest.

    Most ESPs report whole seconds: their event comes behind what the service did within the same
    one, unless it was received before that.
    """
    at = event.occurred_at
    if event.callback_type is None or not at.is_integer():
        return at
    return max(at, min(at + _NEARLY_A_SECOND, event.received_at))


def _of_attempts(history: History) -> Iterator[Timed]:
    """The requests whose answers were lost, and what an operator had sent again of them."""
    attempt = campaign_pb2.TIMELINE_ENTRY_KIND_ATTEMPT
    for resend in history.resends:
        yield _at(resend.lost_at, attempt, _LOST, resend.detail)
        yield _at(resend.resent_at, campaign_pb2.TIMELINE_ENTRY_KIND_OPERATOR, _RESENT)
    row = history.message
    if row.lost_at is not None:
        # Of a message in another state the detail says something else.
        is_unknown = row.state is MessageState.UNKNOWN
        text = _UNREADABLE if is_unknown and row.reason == ANSWER_UNREADABLE else _LOST
        yield _at(row.lost_at, attempt, text, row.detail if is_unknown else "")


def _of_state(history: History) -> Iterator[Timed]:
    campaign, row = history.campaign, history.message
    ended_at = campaign.created_at if campaign.ended_at is None else campaign.ended_at
    at = ended_at if row.updated_at is None else row.updated_at
    if row.reason == ABANDONED and row.state is MessageState.CANCELLED:
        yield _at(at, campaign_pb2.TIMELINE_ENTRY_KIND_OPERATOR, _GIVEN_UP)
    elif row.state in _NOT_SENT and not _was_refused(history):
        kind = campaign_pb2.TIMELINE_ENTRY_KIND_NOT_SENT
        yield _at(at, kind, _NOT_SENT[row.state], row.detail or _why_ended(history))


def _was_refused(history: History) -> bool:
    """Whether an event says already that the ESP did not take it."""
    failed = SystemEventType.NOTIFICATION_FAILED
    return any(e.type is failed and e.callback_type is None for e in history.events)


def _why_ended(history: History) -> str:
    campaign, state = history.campaign, history.message.state
    by_campaign = campaign.state in (CampaignState.CANCELLED, CampaignState.FAILED)
    return campaign.state_reason if state is MessageState.CANCELLED and by_campaign else ""


def _at(
    at: float,
    kind: campaign_pb2.TimelineEntryKind.ValueType,
    text: str,
    detail: str = "",
) -> Timed:
    return at, _entry(at, kind, text, detail)


def _entry(
    at: float,
    kind: campaign_pb2.TimelineEntryKind.ValueType,
    text: str,
    detail: str = "",
) -> campaign_pb2.TimelineEntry:
    return campaign_pb2.TimelineEntry(
        time=to_timestamp(at), kind=kind, text=text, detail=detail[:MAX_DETAIL_CHARACTERS]
    )
