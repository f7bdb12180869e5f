"""The `X-Simulate` request header: what one request, and only this one, shall meet.

Grammar: items separated by `;`, each a name or `name=value`, for example
`status=503; retry-after=2; times=1`. The names:

    status=CODE            answer CODE; below 300 the messages are accepted, else they are not
    retry-after=SECONDS    send Retry-After as seconds
    retry-after-date=SECONDS   send Retry-After as a date that many seconds ahead
    delay=SECONDS          wait before anything else; a range such as 0.1-0.5 is drawn from
    drop, drop=before      close the connection without reading the body: nothing is accepted
    drop=after             accept the messages, then close without an answer
    garbage                accept the messages, and answer 200 with bytes that are no JSON
    drip=SECONDS           send the answer one byte at a time, with so long between two bytes
    fail=ADDRESS           refuse the message to this address; may stand more than once
    times=N                all of the above for the first N requests with this header value and
                           the same idempotency key; later ones are served as usual
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache

from entrypoints.simulated_esp.behaviour import BehaviourError, Span

HEADER = "X-Simulate"


class Drop(Enum):
    """When the connection is closed without an answer."""

    NEVER = "never"
    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One parsed header; a field that the header does not set is at its default."""

    status: int | None = None
    retry_after: int | None = None
    retry_after_is_date: bool = False
    delay: Span = field(default_factory=Span)
    drop: Drop = Drop.NEVER
    garbage: bool = False
    drip_seconds: float | None = None
    fail: frozenset[str] = frozenset()
    times: int | None = None


# A client sends the same few values over and over, so they are parsed once.
@lru_cache(maxsize=256)
def parse_directive(text: str) -> Directive:
    """Parse one header value. Raises BehaviourError, which names the item at fault."""
    directive = Directive()
    for item in text.split(";"):
        name, _, value = (part.strip() for part in item.partition("="))
        if name:
            directive = _applied(directive, name.lower(), value)
    return directive


def _applied(directive: Directive, name: str, value: str) -> Directive:
    apply = _ITEMS.get(name)
    if apply is None:
        raise BehaviourError(_place(name), f"is unknown; there are {', '.join(_ITEMS)}")
    try:
        return apply(directive, value)
    except BehaviourError:
        raise
    except ValueError as error:
        raise BehaviourError(_place(name), f"cannot be {value!r}") from error


def _place(name: str) -> str:
    return f"{HEADER}: {name}"


def _status(directive: Directive, value: str) -> Directive:
    status = int(value)
    if not 200 <= status <= 599:
        raise BehaviourError(_place("status"), f"is {status}: it must be from 200 to 599")
    return replace(directive, status=status)


def _retry_after(directive: Directive, value: str) -> Directive:
    return replace(directive, retry_after=_natural(value), retry_after_is_date=False)


def _retry_after_date(directive: Directive, value: str) -> Directive:
    return replace(directive, retry_after=_natural(value), retry_after_is_date=True)


def _delay(directive: Directive, value: str) -> Directive:
    return replace(directive, delay=Span.of(value, _place("delay")))


def _drop(directive: Directive, value: str) -> Directive:
    return replace(directive, drop=Drop(value.lower() or "before"))


def _garbage(directive: Directive, value: str) -> Directive:
    if value:
        raise ValueError(value)
    return replace(directive, garbage=True)


def _drip(directive: Directive, value: str) -> Directive:
    return replace(directive, drip_seconds=Span.of(value, _place("drip")).low)


def _fail(directive: Directive, value: str) -> Directive:
    if not value:
        raise BehaviourError(_place("fail"), "needs an address")
    return replace(directive, fail=directive.fail | {value.lower()})


def _times(directive: Directive, value: str) -> Directive:
    return replace(directive, times=_natural(value))


def _natural(value: str) -> int:
    number = int(value)
    if number < 0:
        raise ValueError(value)
    return number


_ITEMS: dict[str, Callable[[Directive, str], Directive]] = {
    "status": _status,
    "retry-after": _retry_after,
    "retry-after-date": _retry_after_date,
    "delay": _delay,
    "drop": _drop,
    "garbage": _garbage,
    "drip": _drip,
    "fail": _fail,
    "times": _times,
}
