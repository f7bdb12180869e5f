"""The circuit breaker of a provider: an ESP that is down is left alone, and asked now and then.

    CLOSED ─FAILURES_TO_OPEN failures in a row─▶ OPEN ─open_until─▶ PROBING ─success─▶ CLOSED
                                                  ▲                    │
                                                  └─────── failure ────┘  (and each time longer)

A failure is an attempt that tells of the ESP itself, not of what was sent: no connection, an answer
that was lost, a status of 5xx or 408. What an ESP refuses, or asks patience for, it has answered.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from domain.ahead import is_ahead

# More in a row than one request has attempts by default: a single one that an ESP stumbles over
# does not stop the others.
FAILURES_TO_OPEN = 10
# Seconds until the first probe, doubled up to the longest with every probe that fails.
FIRST_WAIT = 5.0
LONGEST_WAIT = 60.0
# 5 s doubled so often is more than the longest.
_DOUBLINGS = 8


class CircuitState(StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    """Nothing is sent."""
    PROBING = "PROBING"
    """One request at a time is sent, to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """`failures` counts those in a row, `opened` how often it has opened since the last success.

    `open_until` is in epoch seconds. `reason` says what the last failure was, for people.
    """

    failures: int = 0
    opened: int = 0
    open_until: float = 0.0
    reason: str = ""

    def state(self, now: float) -> CircuitState:
        if self.opened == 0:
            return CircuitState.CLOSED
        is_open = is_ahead(self.open_until, now=now, longest=LONGEST_WAIT)
        return CircuitState.OPEN if is_open else CircuitState.PROBING

    def after_failure(self, reason: str, *, now: float) -> "Circuit":
        """What was in flight when it opened fails as well, which makes it wait no longer."""
        failed = replace(self, failures=self.failures + 1, reason=reason)
        if self.state(now) is CircuitState.OPEN or failed.failures < FAILURES_TO_OPEN:
            return failed
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self.opened, _DOUBLINGS))
        return replace(failed, opened=self.opened + 1, open_until=now + wait)


CLOSED = Circuit()
"""What a success makes of every circuit."""
