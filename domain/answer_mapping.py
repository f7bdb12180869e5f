"""How an ESP's answer is read: values only, as an administrator writes them.

Expressions are JMESPath. An expression of a whole answer sees

    {"status": int, "headers": {lower-case name: text}, "body": JSON or null, "text": str}

and one of a single message's part of it sees the same and `item` (the part), `key` (where parts are
keyed) and `index` (from 0). An empty expression is none.
"""

from dataclasses import dataclass
from enum import StrEnum


class AnswerOutcome(StrEnum):
    """What an answer, or a part of it, means for its messages."""

    ACCEPTED = "ACCEPTED"
    RETRY = "RETRY"
    """Not taken now, and perhaps later."""
    REFUSED = "REFUSED"
    """Not taken, whenever they are sent."""
    HALVE = "HALVE"
    """One of them is bad: each half is sent by itself."""
    PAUSE_CAMPAIGN = "PAUSE_CAMPAIGN"
    """The configuration is wrong."""


class Alignment(StrEnum):
    """How a part of an answer finds its message."""

    INDEX = "INDEX"
    """The parts stand in the order of the messages."""
    ADDRESS = "ADDRESS"
    """Each part names an address, at `AnswerItems.address`."""
    KEY = "KEY"
    """The parts are members of an object, and their keys are addresses, or `address` is."""


class WaitUnit(StrEnum):
    """How a hint says how long to wait."""

    SECONDS = "SECONDS"
    EPOCH = "EPOCH"
    """Seconds since 1970, at which to come again."""
    DATE = "DATE"
    """A date, as in HTTP or in RFC 5322, at the end of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRule:
    """The outcome of an answer with one of these statuses (or any) of which `when` is true."""

    statuses: tuple[int, ...] = ()
    when: str = ""
    outcome: AnswerOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerItems:
    """The parts of an answer that speak of single messages.

    They are read with a status of 2xx and with `also_statuses`. `accepted` says of a part whether
    the ESP took the message and, where it did not, `retry` whether it may later; `id` is the ESP's
    own id of it, and `reason` why it was refused. `unlisted` is what became of messages that no
    part speaks of; with a status that is no 2xx, ACCEPTED is RETRY there.
    """

    list: str
    alignment: Alignment = Alignment.INDEX
    address: str = ""
    accepted: str = ""
    retry: str = ""
    id: str = ""
    reason: str = ""
    unlisted: AnswerOutcome = AnswerOutcome.ACCEPTED
    also_statuses: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitHint:
    """Where an answer of RETRY says how long to wait; the first hint that says something counts."""

    at: str
    unit: WaitUnit = WaitUnit.SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerMapping:
    """`success` must be true of a 2xx, or its messages were not taken (`AnswerOutcome.REFUSED`).

    Where the body of such a 2xx is not JSON, nothing is known of its messages (domain.answer).

    `rules` come before it, and before what statuses mean otherwise; the first that fits counts.
    `message_id` is the ESP's own id of all messages of the request.
    """

    success: str = ""
    rules: tuple[AnswerRule, ...] = ()
    message_id: str = ""
    items: AnswerItems | None = None
    waits: tuple[WaitHint, ...] = ()
