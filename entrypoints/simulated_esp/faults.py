"""Which fault strikes which request."""

from __future__ import annotations

import random
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from itertools import accumulate

from entrypoints.simulated_esp.behaviour import EXCLUSIVE_FAULTS, Faults
from entrypoints.simulated_esp.directive import Directive, Drop, parse_directive

# `times=N` counts per header value and idempotency key; older pairs are forgotten and start anew.
_REMEMBERED_COUNTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one request; the default is nothing.

    A `status` of 300 or more is answered before the payload is looked at, so nothing is accepted.
    `fail` holds lower-case addresses.
    """

    delay: float = 0.0
    status: int | None = None
    retry_after: str | None = None
    drop: Drop = Drop.NEVER
    garbage: bool = False
    drip_seconds: float | None = None
    fail: frozenset[str] = frozenset()


NO_FAULT = Fault()


class FaultPicker:
    """Picks a fault per request: by its `X-Simulate` header, else by chance.

    A request with the header gets what the header says and no fault by chance. Draws follow
    each other in the order of the requests, so one seed and one order make the same faults.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - it has to repeat, not to keep a secret.
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()

    def pick(self, faults: Faults, header: str | None, key: str) -> Fault:
        """Raises BehaviourError for a header that cannot be parsed.

        `key` is the request's idempotency key, or "".
        """
        if header is not None:
            directive = parse_directive(header)
            return self._directed(directive) if self._is_due(directive, header, key) else NO_FAULT
        return self._by_chance(faults) if faults.at_random else NO_FAULT

    def _is_due(self, directive: Directive, header: str, key: str) -> bool:
        if directive.times is None:
            return True
        seen = self._seen.pop((header, key), 0)
        self._seen[header, key] = seen + 1
        if len(self._seen) > _REMEMBERED_COUNTS:
            self._seen.popitem(last=False)
        return seen < directive.times

    def _directed(self, directive: Directive) -> Fault:
        return Fault(
            delay=directive.delay.draw(self._rng),
            status=directive.status,
            retry_after=_retry_after(directive),
            drop=directive.drop,
            garbage=directive.garbage,
            drip_seconds=directive.drip_seconds,
            fail=directive.fail,
        )

    def _by_chance(self, faults: Faults) -> Fault:
        delay = faults.delay.draw(self._rng)
        drawn = self._rng.random()
        limits = accumulate(getattr(faults, name) for name in EXCLUSIVE_FAULTS)
        for name, limit in zip(EXCLUSIVE_FAULTS, limits, strict=True):
            if drawn < limit:
                return _FAULTS[name](faults, delay)
        return Fault(delay=delay)


def _retry_after(directive: Directive) -> str | None:
    if directive.retry_after is None:
        return None
    if directive.retry_after_is_date:
        return formatdate(time.time() + directive.retry_after, usegmt=True)
    return str(directive.retry_after)


_FAULTS: dict[str, Callable[[Faults, float], Fault]] = {
    "throttle": lambda faults, delay: Fault(
        delay=delay, status=429, retry_after=str(faults.retry_after)
    ),
    "client_errors": lambda faults, delay: Fault(delay=delay, status=faults.client_error_status),
    "server_errors": lambda faults, delay: Fault(delay=delay, status=faults.server_error_status),
    "drop": lambda _, delay: Fault(delay=delay, drop=Drop.BEFORE),
    "lose_answers": lambda _, delay: Fault(delay=delay, drop=Drop.AFTER),
    "garbage": lambda _, delay: Fault(delay=delay, garbage=True),
    "drip": lambda faults, delay: Fault(delay=delay, drip_seconds=faults.drip_seconds),
}
