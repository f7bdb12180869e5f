"""System events, and the compact log entries that they are read from.

A chunk that an ESP took whole is one entry of the log, not a thousand: entries are stored, events
are made from them on reading. Each event therefore has a place of two numbers, the position of its
entry and its offset within what the entry expands to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from domain.callback import CallbackType
from domain.errors import InvalidRequest, Violation
from domain.message_id import MessageIds, MessageKind, MessageRef
from domain.numbers import LARGEST, read_number

# The value of the event property `CT Source` for mail that a configured provider sent.
SOURCE = "Generic email"


class SystemEventType(StrEnum):
    NOTIFICATION_SENT = "NOTIFICATION_SENT"
    NOTIFICATION_DELIVERED = "NOTIFICATION_DELIVERED"
    NOTIFICATION_FAILED = "NOTIFICATION_FAILED"
    NOTIFICATION_CLICKED = "NOTIFICATION_CLICKED"
    CHANNEL_UNSUBSCRIBED = "CHANNEL_UNSUBSCRIBED"
    NOTIFICATION_OPENED = "NOTIFICATION_OPENED"
    NOTIFICATION_DEFERRED = "NOTIFICATION_DEFERRED"
    NOTIFICATION_DROPPED = "NOTIFICATION_DROPPED"
    CHANNEL_RESUBSCRIBED = "CHANNEL_RESUBSCRIBED"
    NOTIFICATION_UNKNOWN = "NOTIFICATION_UNKNOWN"

    @property
    def label(self) -> str:
        """The name for people: `Notification Sent`."""
        return self.value.replace("_", " ").title()


class EntryKind(StrEnum):
    """SENT and FAILED speak of many messages of one campaign, CALLBACK of one message."""

    SENT = "SENT"
    FAILED = "FAILED"
    CALLBACK = "CALLBACK"


class Cursor(NamedTuple):
    """The last event that a reader has; cursors compare as the events are ordered."""

    position: int
    offset: int

    def __str__(self) -> str:
        return f"{self.position}.{self.offset}"


# Positions of entries begin at 1.
START = Cursor(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """What is stored. Times are epoch seconds.

    `number` is the campaign's or, for the callback of a test email, the test's. `ordinals` are the
    messages spoken of, in order; a CALLBACK has one. `reason` belongs to FAILED; `callback_type`,
    `email` (as the ESP reported it) and `description` to CALLBACK. `position` is 0 until stored.
    """

    kind: EntryKind
    provider: str
    number: int
    ordinals: tuple[int, ...]
    message_kind: MessageKind = MessageKind.CAMPAIGN
    reason: str = ""
    callback_type: CallbackType | None = None
    email: str = ""
    description: str | None = None
    occurred_at: float
    received_at: float
    position: int = 0

    @property
    def message(self) -> MessageRef:
        """The one message of a CALLBACK."""
        (ordinal,) = self.ordinals
        return MessageRef(self.message_kind, self.number, ordinal)


class SystemEvent(NamedTuple):
    """One event as a client sees it; a tuple, because catching up makes millions of them.

    `recipient` is the address that the message was for, `reported_email` the one that the ESP
    named. `error`, `unsubscribe_type` and `source` are empty where the type has no such property,
    `description` where a callback gave none.
    """

    type: SystemEventType
    cursor: Cursor
    provider: str
    campaign_number: int | None
    message: MessageRef
    message_id: str
    recipient: str
    reported_email: str
    error: str
    unsubscribe_type: str
    source: str
    callback_type: CallbackType | None
    test: bool
    occurred_at: float
    received_at: float
    description: str = ""


# The order within a row is the order of the offsets: rows may grow at the end, and never change.
EVENTS_OF_CALLBACK: Mapping[CallbackType, tuple[SystemEventType, ...]] = {
    CallbackType.DELIVERED: (SystemEventType.NOTIFICATION_DELIVERED,),
    # The only type of two events: the message failed, and the address is lost for good.
    CallbackType.HARD_BOUNCE: (
        SystemEventType.NOTIFICATION_FAILED,
        SystemEventType.CHANNEL_UNSUBSCRIBED,
    ),
    CallbackType.SOFT_BOUNCE: (SystemEventType.NOTIFICATION_FAILED,),
    CallbackType.UNSUBSCRIBED: (SystemEventType.CHANNEL_UNSUBSCRIBED,),
    # A complaint raises no event of its own; its description says that it was one.
    CallbackType.SPAM: (SystemEventType.CHANNEL_UNSUBSCRIBED,),
    CallbackType.CLICKED: (SystemEventType.NOTIFICATION_CLICKED,),
    CallbackType.OPENED: (SystemEventType.NOTIFICATION_OPENED,),
    CallbackType.DEFERRED: (SystemEventType.NOTIFICATION_DEFERRED,),
    CallbackType.DROPPED: (SystemEventType.NOTIFICATION_DROPPED,),
    CallbackType.RESUBSCRIBED: (SystemEventType.CHANNEL_RESUBSCRIBED,),
    CallbackType.UNKNOWN: (SystemEventType.NOTIFICATION_UNKNOWN,),
}

# Beside failures the events that say why a message is late, or will not come.
_WITH_ERROR = frozenset(
    {
        SystemEventType.NOTIFICATION_FAILED,
        SystemEventType.NOTIFICATION_DEFERRED,
        SystemEventType.NOTIFICATION_DROPPED,
        SystemEventType.NOTIFICATION_UNKNOWN,
    }
)


def system_events(
    entry: LogEntry, ids: MessageIds, addresses: Mapping[int, str], *, after: Cursor = START
) -> Iterator[SystemEvent]:
    """The events of a stored entry in order, less those that a reader at `after` has.

    `addresses` gives the recipient of each ordinal. Where it has none (a test email's callback),
    the address that the ESP reported stands in.
    """
    if after.position > entry.position:
        return iter(())
    first = after.offset + 1 if after.position == entry.position > 0 else 0
    if entry.kind is EntryKind.CALLBACK:
        return _of_callback(entry, ids, addresses, first)
    return _of_outcome(entry, ids, addresses, first)


def _of_outcome(
    entry: LogEntry, ids: MessageIds, addresses: Mapping[int, str], first: int
) -> Iterator[SystemEvent]:
    sent = entry.kind is EntryKind.SENT
    kind = SystemEventType.NOTIFICATION_SENT if sent else SystemEventType.NOTIFICATION_FAILED
    ordinals = entry.ordinals[first:]
    tokens = ids.campaign_messages(entry.number, ordinals)
    for offset, (ordinal, token) in enumerate(zip(ordinals, tokens, strict=True), start=first):
        yield SystemEvent(
            type=kind,
            cursor=Cursor(entry.position, offset),
            provider=entry.provider,
            campaign_number=entry.number,
            message=MessageRef(MessageKind.CAMPAIGN, entry.number, ordinal),
            message_id=token,
            recipient=addresses.get(ordinal, ""),
            reported_email="",
            error="" if sent else entry.reason,
            unsubscribe_type="",
            source="",
            callback_type=None,
            test=False,
            occurred_at=entry.occurred_at,
            received_at=entry.received_at,
        )


def _of_callback(
    entry: LogEntry, ids: MessageIds, addresses: Mapping[int, str], first: int
) -> Iterator[SystemEvent]:
    message = entry.message
    callback = entry.callback_type
    if callback is None:
        raise ValueError(f"log entry {entry.position} is a CALLBACK without a callback_type")
    test = message.kind is MessageKind.TEST
    # ESPs leave the description out or blank; the type then says at least what happened.
    said = entry.description or callback.value
    for offset, kind in enumerate(EVENTS_OF_CALLBACK[callback][first:], start=first):
        yield SystemEvent(
            type=kind,
            cursor=Cursor(entry.position, offset),
            provider=entry.provider,
            campaign_number=None if test else message.number,
            message=message,
            message_id=ids.token(message),
            recipient=addresses.get(message.ordinal) or entry.email,
            reported_email=entry.email,
            error=said if kind in _WITH_ERROR else "",
            unsubscribe_type=said if kind is SystemEventType.CHANNEL_UNSUBSCRIBED else "",
            source=SOURCE if kind is SystemEventType.NOTIFICATION_DELIVERED else "",
            callback_type=callback,
            test=test,
            occurred_at=entry.occurred_at,
            received_at=entry.received_at,
            description=entry.description or "",
        )


def parse_cursor(text: str, *, field: str = "cursor") -> Cursor:
    """The cursor that `str(cursor)` wrote; an empty text is START.

    Anything else raises InvalidRequest: a cursor that is misread would skip events silently.
    """
    if not text:
        return START
    position, _, offset = text.partition(".")
    numbers = [read_number(part) for part in (position, offset)]
    known = [number for number in numbers if number is not None and number <= LARGEST]
    if len(known) != 2:
        message = "is no cursor; give next_cursor of an earlier answer as it was, or leave it empty"
        raise InvalidRequest([Violation(field=field, reason="INVALID_CURSOR", message=message)])
    return Cursor(*known)
