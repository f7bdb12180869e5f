"""The state of a message, how callbacks move it, and counts of messages by state."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.callback import CallbackType


class MessageState(StrEnum):
    """Where a message is; each value says what is known and no more."""

    QUEUED = "QUEUED"
    SENDING = "SENDING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    SUPPRESSED = "SUPPRESSED"
    DUPLICATE = "DUPLICATE"
    UNKNOWN = "UNKNOWN"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    DELIVERED = "DELIVERED"
    SOFT_BOUNCED = "SOFT_BOUNCED"
    HARD_BOUNCED = "HARD_BOUNCED"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    COMPLAINED = "COMPLAINED"
    CLICKED = "CLICKED"

    @property
    def code(self) -> int:
        """The small number that stands for the state in the database, for good."""
        return _CODES[self]

    @classmethod
    def of(cls, code: int) -> "MessageState":
        return _STATES[code]


_CODES: Mapping[MessageState, int] = {
    MessageState.QUEUED: 1,
    MessageState.SENDING: 2,
    MessageState.ACCEPTED: 3,
    MessageState.REJECTED: 4,
    MessageState.SUPPRESSED: 5,
    MessageState.DUPLICATE: 6,
    MessageState.UNKNOWN: 7,
    MessageState.CANCELLED: 8,
    MessageState.EXPIRED: 9,
    MessageState.DELIVERED: 10,
    MessageState.SOFT_BOUNCED: 11,
    MessageState.HARD_BOUNCED: 12,
    MessageState.UNSUBSCRIBED: 13,
    MessageState.COMPLAINED: 14,
    MessageState.CLICKED: 15,
}
_STATES: Mapping[int, MessageState] = {code: state for state, code in _CODES.items()}

# The state that an event of each type speaks for.
STATE_AFTER: Mapping[CallbackType, MessageState] = {
    CallbackType.DELIVERED: MessageState.DELIVERED,
    CallbackType.SOFT_BOUNCE: MessageState.SOFT_BOUNCED,
    CallbackType.HARD_BOUNCE: MessageState.HARD_BOUNCED,
    CallbackType.UNSUBSCRIBED: MessageState.UNSUBSCRIBED,
    CallbackType.SPAM: MessageState.COMPLAINED,
    CallbackType.CLICKED: MessageState.CLICKED,
}
# The other types speak for no state. All that they show is that the ESP took the message, which is
# news only where its outcome is unknown.

# The reason of a CANCELLED message whose outcome is unknown and that an operator gave up.
ABANDONED = "ABANDONED"

# How much a state says, weakest first; an event moves a message upwards only. That is what makes
# the order of arrival irrelevant. A message in a state that is not listed never left, and no event
# moves it, but for what `before_callback` makes of it.
_STRENGTH: Mapping[MessageState, int] = {
    # The outcome is open here, and an event proves that the ESP took the message: a retry that
    # waits, an answer on its way or lost.
    MessageState.QUEUED: 0,
    MessageState.SENDING: 0,
    MessageState.UNKNOWN: 0,
    # The ESP refused and then reported on the message all the same. The report is the better
    # evidence. What we rejected before sending never left, so that no event can name it.
    MessageState.REJECTED: 0,
    MessageState.ACCEPTED: 1,
    # A soft bounce is below delivered: the ESP tries again, and often gets it through.
    MessageState.SOFT_BOUNCED: 2,
    MessageState.DELIVERED: 3,
    MessageState.CLICKED: 4,
    # A hard bounce is above delivered: servers that accept a message first bounce it afterwards.
    MessageState.HARD_BOUNCED: 5,
    MessageState.UNSUBSCRIBED: 6,
    MessageState.COMPLAINED: 7,
}


def before_callback(state: MessageState, reason: str) -> MessageState:
    """What is known of a message in `state` for `reason` as far as its ESP is concerned.

    What an operator gave up counts as cancelled. It left all the same and may have arrived, so that
    an event finds it UNKNOWN.
    """
    gave_up = state is MessageState.CANCELLED and reason == ABANDONED
    return MessageState.UNKNOWN if gave_up else state


def after_callback(state: MessageState, callback: CallbackType) -> MessageState:
    """The state of a message once an event of type `callback` has come in.

    `state` is what `before_callback` made of it. The end is the same in whatever order the events
    come, and however often.
    """
    strength = _STRENGTH.get(state)
    reported = STATE_AFTER.get(callback)
    if reported is None:
        return MessageState.ACCEPTED if state is MessageState.UNKNOWN else state
    if strength is None or strength >= _STRENGTH[reported]:
        return state
    return reported


@dataclass(frozen=True, slots=True)
class Counts(Mapping[MessageState, int]):
    """How many messages are in each state. Every state is a key; most of them count 0.

    A difference of two counts is a Counts as well, with negative numbers in it.
    """

    # One number per state, in the order of MessageState: two equal counts are equal tuples.
    numbers: tuple[int, ...] = (0,) * len(MessageState)

    @classmethod
    def of(cls, numbers: Mapping[MessageState, int]) -> "Counts":
        return cls(tuple(numbers.get(state, 0) for state in MessageState))

    @property
    def total(self) -> int:
        return sum(self.numbers)

    def moved(self, old: MessageState, new: MessageState, messages: int = 1) -> "Counts":
        """These counts after `messages` messages went from `old` to `new`."""
        return self + Counts.of({old: -messages}) + Counts.of({new: messages})

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(tuple(a + b for a, b in zip(self.numbers, other.numbers, strict=True)))

    def __getitem__(self, state: MessageState) -> int:
        return self.numbers[_CODES[state] - 1]

    def __iter__(self) -> Iterator[MessageState]:
        return iter(MessageState)

    def __len__(self) -> int:
        return len(MessageState)
