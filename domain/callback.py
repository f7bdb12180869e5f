"""Callbacks of version v2: from the bytes that an ESP posts to events that name our messages.

    {"version": "v2", "events": {"success": [EVENT, ...], "failed": [EVENT, ...]}}
    EVENT = {"type": str, "email": str, "meta": str, "description"?: str, "timestamp"?: number}

An event's `type` decides what it is, not the list that it stands in; any list under `events` is
read. A fault of form refuses the whole request, so that it can be sent again whole. What is well
formed but not ours (an unknown type, a foreign `meta`) is kept and named in the answer instead.

A key that may be missing may as well be null. A mandatory string may be empty: an empty `type` or
`meta` then is one that we do not know, which must not cost the other 999 events of the request.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import repeat
from typing import Any, NamedTuple

import orjson

from domain.message_id import MessageKind, MessageRef
from domain.suppression import SuppressionReason

MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_EVENTS = 1000
# Enough to find what is wrong with a sender; a thousand would only repeat it.
MAX_FAULTS = 20
BAD_REQUEST_TEXT = "Bad request. Some mandatory parameter was missing."

# Clocks differ; an event from further in the future than this has a wrong clock or a wrong unit.
_CLOCK_TOLERANCE_SECONDS = 86_400.0
# The start of the year 2000 (UTC), before which no ESP was: an earlier time is no such time at all,
# but a clock that was never set, or a number of something else.
_EARLIEST = 946_684_800.0
_LONGEST_LIST_NAME = 64
# What may be missing may be null. A boolean is no number.
_TEXT = (str, type(None))
_NUMBER = (int, float, type(None))
_KNOWN_KEYS = frozenset({"type", "email", "meta", "description", "timestamp"})


class CallbackType(StrEnum):
    """What an ESP can say of a message. Version v2 knows the first six; webhooks know all."""

    DELIVERED = "delivered"
    HARD_BOUNCE = "hard_bounce"
    SOFT_BOUNCE = "soft_bounce"
    UNSUBSCRIBED = "unsubscribed"
    SPAM = "spam"
    CLICKED = "clicked"
    OPENED = "opened"
    DEFERRED = "deferred"
    """The ESP has it, could not deliver it yet, and goes on trying."""
    DROPPED = "dropped"
    """The ESP took it and will not send it, mostly because of a list of its own."""
    RESUBSCRIBED = "resubscribed"
    UNKNOWN = "unknown"
    """Something that its mapping has no rule for; kept, since it may matter once there is one."""


# The reason for which an event takes the address off all later campaigns; None leaves it on.
SUPPRESSES: Mapping[CallbackType, SuppressionReason | None] = {
    CallbackType.DELIVERED: None,
    CallbackType.HARD_BOUNCE: SuppressionReason.HARD_BOUNCE,
    # A full mailbox today says nothing about tomorrow.
    CallbackType.SOFT_BOUNCE: None,
    CallbackType.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBED,
    CallbackType.SPAM: SuppressionReason.COMPLAINT,
    CallbackType.CLICKED: None,
    CallbackType.OPENED: None,
    CallbackType.DEFERRED: None,
    # The list that the ESP goes by is its own, and so may be its reasons.
    CallbackType.DROPPED: None,
    # Mailing somebody again who had left is for a person to decide (RemoveSuppressions).
    CallbackType.RESUBSCRIBED: None,
    CallbackType.UNKNOWN: None,
}

_V2 = (
    CallbackType.DELIVERED,
    CallbackType.HARD_BOUNCE,
    CallbackType.SOFT_BOUNCE,
    CallbackType.UNSUBSCRIBED,
    CallbackType.SPAM,
    CallbackType.CLICKED,
)
UNKNOWN_TYPE = "type is none of " + ", ".join(_V2)
UNKNOWN_META = "meta is not the $$MessageID of a message that was sent from here"

_TYPES: Mapping[str, CallbackType] = {kind.value: kind for kind in _V2}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackFault:
    """Where the body is wrong (`events.failed[3].meta`), and how."""

    path: str
    problem: str


class BadCallback(Exception):
    """The body breaks the format; nothing of it may be stored.

    Not one of the service's own errors: it is only ever answered over HTTP, with status 400.
    """

    def __init__(self, faults: Sequence[CallbackFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.path}: {fault.problem}" for fault in self.faults))

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(fault.path for fault in self.faults)

    def answer(self) -> dict[str, Any]:
        faults = [{"path": fault.path, "problem": fault.problem} for fault in self.faults]
        return {"error": BAD_REQUEST_TEXT, "faults": faults}


class Incomplete(BadCallback):
    """The body did not arrive whole, which says nothing against what it would have been."""


class CallbackEvent(NamedTuple):
    """One well-formed event. `raw` is all that the ESP said, also what is not read here.

    This and what becomes of it are tuples, because ESPs send millions of them.
    """

    type: str
    email: str
    meta: str
    description: str | None
    timestamp: float | None
    list_name: str
    raw: Mapping[str, Any]


class Attributed(NamedTuple):
    """An event of a message of ours.

    `digest` is a signed 64-bit number: an event with the same message and digest is the same event.
    `occurred_at` is epoch seconds.
    """

    event: CallbackEvent
    type: CallbackType
    message: MessageRef
    occurred_at: float
    digest: int


class Unprocessed(NamedTuple):
    """An event that belongs to no message of ours, or means nothing to us; kept for replay."""

    event: CallbackEvent
    reason: str


def parse_callback(body: bytes) -> tuple[CallbackEvent, ...]:
    """The events in the order in which they stand; BadCallback names up to MAX_FAULTS faults."""
    document = _decode(body)
    faults: list[CallbackFault] = []
    if document.get("version") != "v2":
        faults.append(_missing_or(document, "version", "version", 'must be the string "v2"'))
    lists = document.get("events")
    if not isinstance(lists, dict):
        faults.append(_missing_or(document, "events", "events", "must be an object of lists"))
        raise BadCallback(faults)
    if _count(lists) > MAX_EVENTS:
        faults.append(
            CallbackFault(path="events", problem=f"holds more than {MAX_EVENTS} events; split it")
        )
        raise BadCallback(faults)
    events = _events(lists, faults)
    if faults:
        raise BadCallback(faults[:MAX_FAULTS])
    return tuple(events)


def attribute(
    event: CallbackEvent, read_meta: Callable[[str], MessageRef | None], *, received_at: float
) -> Attributed | Unprocessed:
    """Finds the message of an event. `read_meta` is `MessageIds.read`; `received_at` is epoch s.

    An `email` other than the message's address is no fault: ESPs report forwarded addresses.
    """
    kind = _TYPES.get(event.type)
    if kind is None:
        return Unprocessed(event=event, reason=UNKNOWN_TYPE)
    message = read_meta(event.meta)
    if message is None or message.kind is MessageKind.PREVIEW:
        return Unprocessed(event=event, reason=UNKNOWN_META)
    happened = occurred_at(event.timestamp, received_at=received_at)
    return Attributed(event, kind, message, happened, _digest(event))


def occurred_at(timestamp: float | None, *, received_at: float) -> float:
    """The ESP's time where it can be true, else the time of receipt.

    A missing time, one before the year 2000, and one more than a day ahead (milliseconds, mostly)
    is not believed; an impossible time is no reason to lose a bounce.
    """
    if timestamp is None or not _EARLIEST <= timestamp <= received_at + _CLOCK_TOLERANCE_SECONDS:
        return received_at
    return float(timestamp)


def callback_answer(total: int, unprocessed: Sequence[Unprocessed]) -> dict[str, Any]:
    """What a 200 says; every unprocessed event comes back as it was sent, with a `reason`."""
    return {
        "TOTAL_EVENTS": total,
        "PROCESSED_EVENTS": total - len(unprocessed),
        "UNPROCESSED_EVENTS": [{**item.event.raw, "reason": item.reason} for item in unprocessed],
    }


def _decode(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY_BYTES:
        raise _whole_body(f"is longer than {MAX_BODY_BYTES} bytes; send fewer events at a time")
    try:
        # orjson refuses invalid UTF-8, NaN, lone surrogates and more than 1,024 levels by itself.
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _whole_body(f"is not JSON in UTF-8 ({place})") from error
    if not isinstance(document, dict):
        raise _whole_body("must be a JSON object")
    return document


def _whole_body(problem: str) -> BadCallback:
    return BadCallback([CallbackFault(path="body", problem=problem)])


def _count(lists: dict[str, Any]) -> int:
    return sum([len(items) for items in lists.values() if type(items) is list])


def _events(lists: dict[str, Any], faults: list[CallbackFault]) -> list[CallbackEvent]:
    events: list[CallbackEvent] = []
    for name, items in lists.items():
        list_name = name[:_LONGEST_LIST_NAME]
        if type(items) is list and all(map(_is_well_formed, items)):
            events += map(_event, items, repeat(_storable(list_name)))
        elif items is not None:
            faults += _faults_of_list(items, f"events.{list_name}")
    return events


def _faults_of_list(items: Any, path: str) -> list[CallbackFault]:
    if type(items) is not list:
        return [CallbackFault(path=path, problem="must be a list")]
    faults: list[CallbackFault] = []
    for index, item in enumerate(items):
        faults += _faults_of_event(item, f"{path}[{index}]")
        if len(faults) >= MAX_FAULTS:
            break
    return faults


def _is_well_formed(item: Any) -> bool:
    """Whether `_faults_of_event` finds nothing, for a fraction of the time."""
    if type(item) is not dict:
        return False
    said = item.get
    return (
        type(said("type")) is str
        and type(said("email")) is str
        and type(said("meta")) is str
        and type(said("description")) in _TEXT
        and type(said("timestamp")) in _NUMBER
        and (_KNOWN_KEYS.issuperset(item) or _can_be_repeated(item))
    )


def _event(item: dict[str, Any], list_name: str) -> CallbackEvent:
    email, description = item["email"], item.get("description")
    if "\0" in email or (description and "\0" in description):
        email, description = _storable(email), description and _storable(description)
    return CallbackEvent(
        item["type"], email, item["meta"], description, item.get("timestamp"), list_name, item
    )


def _storable(text: str) -> str:
    """JSON may hold NUL, which a text column of PostgreSQL may not."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def _faults_of_event(item: object, path: str) -> list[CallbackFault]:
    if not isinstance(item, dict):
        return [CallbackFault(path=path, problem="must be an object")]
    faults = [
        _missing_or(item, key, f"{path}.{key}", "must be a string")
        for key in ("type", "email", "meta")
        if type(item.get(key)) is not str
    ]
    if type(item.get("description")) not in _TEXT:
        faults.append(CallbackFault(path=f"{path}.description", problem="must be a string"))
    if type(item.get("timestamp")) not in _NUMBER:
        problem = "must be a number of seconds since 1970"
        faults.append(CallbackFault(path=f"{path}.timestamp", problem=problem))
    if not _KNOWN_KEYS.issuperset(item) and not _can_be_repeated(item):
        faults.append(CallbackFault(path=path, problem="is nested too deeply"))
    return faults


def _can_be_repeated(item: dict[str, Any]) -> bool:
    """orjson reads four times as deep as it writes, and the answer may have to hold this again."""
    try:
        orjson.dumps({"UNPROCESSED_EVENTS": [item]})
    except TypeError:
        return False
    return True


def _missing_or(holder: dict[str, Any], key: str, path: str, problem: str) -> CallbackFault:
    missing = holder.get(key) is None
    return CallbackFault(path=path, problem="is missing" if missing else problem)


def _digest(event: CallbackEvent) -> int:
    said = orjson.dumps((event.type, event.email, event.timestamp, event.description))
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "big", signed=True)
