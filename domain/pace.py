"""Rate limits: the generic cell rate algorithm, by reservation.

A provider has a time at which its next slot is free. Every caller takes the slot that it finds and
moves the time on, then waits for its own slot: nobody is turned away, so nobody starves.
"""

from domain.ahead import is_ahead
from domain.provider import Limits

# Under a limit of its rate a provider gets at once what it may have in this time, at least one
# request: more would make the rate uneven.
SMOOTH_SECONDS = 0.02
# Callers that wait for their slots at the same time: 64 dispatchers, each with eight chunks.
_MOST_WAITING = 512


def slot(
    free_at: float, *, now: float, count: int, rate: float | None, at_least: int = 1
) -> tuple[float, float]:
    """When `count` may go, and when the slot after them is free; at once where there is no rate.

    `rate` is a number a second. `at_least` is how many a single caller may have to take, however
    low the rate: with it goes how far ahead `free_at` can be. What is further was set before the
    clock was put back.
    """
    if rate is None:
        return now, free_at
    longest = _MOST_WAITING * max(max(count, at_least) / rate, SMOOTH_SECONDS)
    start = free_at if is_ahead(free_at, now=now, longest=longest) else now
    return start, start + count / rate


def moved_slots(
    next_request_at: float, next_message_at: float, *, old: Limits, new: Limits, now: float
) -> tuple[float, float]:
    """When the next slots are free once the limits have changed.

    What was taken ahead takes as long as it does under the new rates: nobody waits for slots of a
    rate that is no more.
    """
    return (
        _moved(next_request_at, now, old.max_requests_per_second, new.max_requests_per_second),
        _moved(next_message_at, now, old.max_messages_per_second, new.max_messages_per_second),
    )


def _moved(free_at: float, now: float, old: float | None, new: float | None) -> float:
    if old is None or new is None or free_at <= now:
        return min(free_at, now)
    return now + (free_at - now) * old / new
