"""What an answer means, and when a request is sent again. Chance and time come as arguments."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

from domain.provider import Limits

# An ESP that asks for more patience than this is asked again after it.
MAX_RETRY_AFTER_SECONDS = 3600.0
FIRST_BACKOFF_SECONDS = 1.0
# Five minutes: long enough for an ESP to recover, short enough to notice that it did.
LONGEST_BACKOFF_SECONDS = 300.0

_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
# No HTTP date and no sane number of seconds is longer; what is longer is not parsed at all.
_LONGEST_RETRY_AFTER = 64


class Outcome(StrEnum):
    """What becomes of a request that was answered."""

    ACCEPTED = "ACCEPTED"
    """The ESP took all of its messages."""
    RETRY = "RETRY"
    """The ESP took none of them now, and may take them later."""
    REFUSED = "REFUSED"
    """The ESP takes none of them, whenever it is asked."""
    HALVE = "HALVE"
    """At least one of its messages is bad: send each half by itself."""
    PAUSE_CAMPAIGN = "PAUSE_CAMPAIGN"
    """The configuration is wrong: a million repeats would all fail alike."""
    PARTLY = "PARTLY"
    """The answer says of each message by itself what became of it."""
    IN_DOUBT = "IN_DOUBT"
    """The ESP may have taken them, and what its answer says of them cannot be read."""


_BY_STATUS: Mapping[int, Outcome] = {
    400: Outcome.HALVE,
    401: Outcome.PAUSE_CAMPAIGN,
    403: Outcome.PAUSE_CAMPAIGN,
    404: Outcome.PAUSE_CAMPAIGN,
    # Timed out on the ESP's side, before it had read the request whole.
    408: Outcome.RETRY,
    413: Outcome.HALVE,
    422: Outcome.HALVE,
    # Too early: the ESP wants no replayed handshake data, and the request itself is fine.
    425: Outcome.RETRY,
    429: Outcome.RETRY,
}


def classify(status: int, *, messages: int) -> Outcome:
    """What an answered request with `messages` messages in it has come to.

    2xx is acceptance whatever the body is: bodies differ from ESP to ESP, and to read a refusal out
    of one that is garbage would send twice what was accepted. `domain.answer` reads the body where
    the provider says how.
    A redirect (3xx) is a refusal since it is not followed: bodies and credentials would go to a
    place that nobody configured. A batch of one cannot be halved and is refused.
    """
    if 200 <= status < 300:
        return Outcome.ACCEPTED
    if 500 <= status < 600:
        return Outcome.RETRY
    outcome = _BY_STATUS.get(status, Outcome.REFUSED)
    if outcome is Outcome.HALVE and messages <= 1:
        return Outcome.REFUSED
    return outcome


def backoff(
    attempt: int,
    random_fraction: float,
    *,
    base: float = FIRST_BACKOFF_SECONDS,
    cap: float = LONGEST_BACKOFF_SECONDS,
) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1), with full jitter.

    `random_fraction` is uniform in [0, 1): anything between nothing and the exponential bound, so
    that a thousand requests that failed together do not come back together.
    """
    # Beyond 2**32 every cap is reached, and the power would only overflow.
    doublings = min(max(attempt - 1, 0), 32)
    return random_fraction * min(cap, base * 2.0**doublings)


def retry_after(value: str, *, now: float) -> float | None:
    """Seconds from `now` (epoch seconds) that a Retry-After header asks for, bounded by an hour.

    None for what asks for nothing: nonsense, a negative number, a date that has passed.
    """
    text = value.strip()
    if len(text) > _LONGEST_RETRY_AFTER:
        return None
    seconds = float(text) if _SECONDS.fullmatch(text) else _seconds_until(text, now)
    if seconds is None or seconds < 0:
        return None
    return min(seconds, MAX_RETRY_AFTER_SECONDS)


def retry_at(
    *, attempts: int, first_attempt_at: float, now: float, delay: float, limits: Limits
) -> float | None:
    """When (epoch seconds) a request that was tried `attempts` times is tried again.

    None where it is not: the attempts are used up, or the wait of `delay` seconds would end after
    the deadline. Waiting for an attempt that cannot come would only delay the bad news.
    """
    again = now + delay
    if attempts >= limits.max_attempts:
        return None
    if again > first_attempt_at + limits.retry_deadline_seconds:
        return None
    return again


def _seconds_until(text: str, now: float) -> float | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # "-0000" means UTC of an unknown place, and Python leaves the zone out.
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return aware.timestamp() - now
