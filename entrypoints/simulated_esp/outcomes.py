"""What becomes of an accepted message, decided by its address and a seed alone.

So a count of bounces is the same however requests are ordered, batched or repeated, and an
address that bounces once always bounces, as real ones do.

Some addresses choose their own fate. What counts is the run of letters at the start of the local
part, in any case, so `bounce`, `bounce1` and `bounce+a` are told and `bouncer` is not:

    reject  the message is refused          unsub   delivered, then unsubscribed
    bounce  hard bounce                     spam    delivered, then reported as spam
    soft    soft bounce                     click   delivered, then clicked
    quiet   accepted, and never heard of again
"""

from __future__ import annotations

import re
import struct
from hashlib import blake2b
from typing import NamedTuple

from entrypoints.simulated_esp.behaviour import Callbacks

DELIVERED = "delivered"
HARD_BOUNCE = "hard_bounce"
SOFT_BOUNCE = "soft_bounce"
UNSUBSCRIBED = "unsubscribed"
SPAM = "spam"
CLICKED = "clicked"

# `delivered` says all by itself, so it has none, as a callback may lack one.
DESCRIPTIONS = {
    HARD_BOUNCE: "550 5.1.1 Mailbox does not exist",
    SOFT_BOUNCE: "452 4.2.2 Mailbox is full",
    UNSUBSCRIBED: "Recipient used the unsubscribe link",
    SPAM: "Recipient reported the message as spam",
    CLICKED: "Recipient followed a link",
}

_FATES = {
    "bounce": (HARD_BOUNCE,),
    "soft": (SOFT_BOUNCE,),
    "unsub": (DELIVERED, UNSUBSCRIBED),
    "spam": (DELIVERED, SPAM),
    "click": (DELIVERED, CLICKED),
    "quiet": (),
}
_REJECT = "reject"
_FIRST_WORD = re.compile(r"[a-z]+")
_DRAWS = struct.Struct("<5I")


class Draws(NamedTuple):
    """Five independent numbers, each from 0 up to but not including 1."""

    outcome: float
    follow_up: float
    click: float
    reject: float
    duplicate: float


def draws(seed: int, address: str) -> Draws:
    """Return the same five numbers for the same seed and address, whatever its case."""
    digest = blake2b(f"{seed}:{address.lower()}".encode(), digest_size=_DRAWS.size).digest()
    return Draws(*(number / 2**32 for number in _DRAWS.unpack(digest)))


def first_word(address: str) -> str:
    """Return the letters that the address begins with, in lower case."""
    match = _FIRST_WORD.match(address.lower())
    return match[0] if match else ""


def asks_to_be_rejected(address: str) -> bool:
    # The slice is cheap; nearly every address of a load test ends here.
    return address[:6].lower() == _REJECT and first_word(address) == _REJECT


def callback_types(plan: Callbacks, drawn: Draws, rule: str) -> tuple[str, ...]:
    """Return the types of a message's callbacks, in the order in which they happen.

    `rule` is the address's first word, or "" where address rules are off.
    """
    if rule in _FATES:
        return _FATES[rule]
    if drawn.outcome < plan.delivered:
        return (DELIVERED, *_follow_ups(plan, drawn))
    if drawn.outcome < plan.delivered + plan.hard_bounce:
        return (HARD_BOUNCE,)
    if drawn.outcome < plan.delivered + plan.hard_bounce + plan.soft_bounce:
        return (SOFT_BOUNCE,)
    return ()


def _follow_ups(plan: Callbacks, drawn: Draws) -> tuple[str, ...]:
    clicked = (CLICKED,) if drawn.click < plan.clicked else ()
    if drawn.follow_up < plan.spam:
        return (*clicked, SPAM)
    if drawn.follow_up < plan.spam + plan.unsubscribed:
        return (*clicked, UNSUBSCRIBED)
    return clicked
