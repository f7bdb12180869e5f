"""Why nothing, or next to nothing, is sent through a provider at the moment, for people."""

import math
from datetime import UTC, datetime

from domain.ahead import is_ahead
from domain.circuit import Circuit, CircuitState
from domain.retry import MAX_RETRY_AFTER_SECONDS


def is_paused(paused_until: float | None, *, now: float) -> bool:
    """Whether the ESP's `Retry-After` still holds."""
    until = paused_until or 0.0
    return is_ahead(until, now=now, longest=MAX_RETRY_AFTER_SECONDS)


def standstill(
    paused_until: float | None, pause_reason: str, circuit: Circuit, *, now: float
) -> str:
    """A sentence with the reason and the time of the next try; empty where requests are made."""
    state = circuit.state(now)
    waits: list[tuple[float, str]] = []
    if paused_until is not None and is_paused(paused_until, now=now):
        waits.append((paused_until, pause_reason))
    if state is CircuitState.OPEN:
        waits.append((circuit.open_until, circuit.reason))
    if waits:
        until, reason = max(waits)
        return f"waiting: {reason}; the next try is at {_time(until)}"
    if state is CircuitState.PROBING:
        return f"waiting: {circuit.reason}; one request at a time is tried, to see if it is over"
    return ""


def _time(seconds: float) -> str:
    # Rounded up: at the second that is shown the wait is over.
    return f"{datetime.fromtimestamp(math.ceil(seconds), UTC):%H:%M:%S} UTC"
