"""What the simulated ESP does, as values that are valid by construction.

`Behaviour` holds all that can be changed while the simulator runs. Its field names are the
names of the command's flags (with underscores) and the keys of `PUT /_simulator/behaviour`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

# Floats such as 0.9 + 0.06 + 0.04 add up to a hair more than one.
_ROUNDING = 1e-9

_Settings = TypeVar("_Settings", bound=Any)


class BehaviourError(ValueError):
    """A setting of the simulator, or an `X-Simulate` header, that cannot be obeyed."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"{place} {why}")
        self.place = place
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time in seconds: always `low`, or drawn evenly between `low` and `high`."""

    low: float = 0.0
    high: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high < float("inf"):
            raise BehaviourError("delay", "must be seconds, or a range such as 0.1-0.5")

    @classmethod
    def of(cls, given: object, place: str = "delay") -> Span:
        """Read `0.5`, `"0.5"`, `"0.1-0.5"` or `[0.1, 0.5]`."""
        parts = given if isinstance(given, list) else str(given).split("-")
        try:
            numbers = [float(part) for part in parts]
            return cls(low=numbers[0], high=numbers[-1])
        except (TypeError, ValueError, IndexError) as error:
            why = f"is {given!r}: give seconds, or a range such as 0.1-0.5"
            raise BehaviourError(place, why) from error

    def draw(self, rng: random.Random) -> float:
        return self.low if self.low == self.high else rng.uniform(self.low, self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often requests go wrong. Shares are of all requests, from 0 to 1.

    At most one of `throttle`, `client_errors`, `server_errors`, `drop`, `lose_answers`,
    `garbage` and `drip` strikes a request, so together they are at most 1.
    """

    delay: Span = field(default_factory=Span)
    throttle: float = 0.0
    retry_after: int = 1
    client_errors: float = 0.0
    client_error_status: int = 400
    server_errors: float = 0.0
    server_error_status: int = 503
    drop: float = 0.0
    lose_answers: float = 0.0
    garbage: float = 0.0
    drip: float = 0.0
    drip_seconds: float = 1.0
    reject: float = 0.0
    refuse: tuple[str, ...] = ()
    refusal_status: int = 422
    partial: bool = False

    def __post_init__(self) -> None:
        for name in (*EXCLUSIVE_FAULTS, "reject"):
            _check_share(f"faults.{name}", getattr(self, name))
        if sum(getattr(self, name) for name in EXCLUSIVE_FAULTS) > 1 + _ROUNDING:
            raise BehaviourError(
                "faults", f"({', '.join(EXCLUSIVE_FAULTS)}) must add up to at most 1"
            )
        _check_status("faults.client_error_status", self.client_error_status, 400, 499)
        _check_status("faults.refusal_status", self.refusal_status, 400, 499)
        _check_status("faults.server_error_status", self.server_error_status, 500, 599)
        _check_least("faults.retry_after", self.retry_after, 0)
        _check_least("faults.drip_seconds", self.drip_seconds, 0)

    @property
    def at_random(self) -> bool:
        """Whether a request needs a draw at all; the plain path skips it."""
        return self.delay.high > 0 or any(getattr(self, name) > 0 for name in EXCLUSIVE_FAULTS)


# The order is that of the draw: a change of it changes what a given seed does.
EXCLUSIVE_FAULTS = (
    "throttle",
    "client_errors",
    "server_errors",
    "drop",
    "lose_answers",
    "garbage",
    "drip",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Where callbacks go and in which proportions.

    `delivered`, `hard_bounce` and `soft_bounce` are shares of the accepted messages; what they
    leave over gets no callback. `clicked`, `unsubscribed` and `spam` are shares of the delivered
    ones. An empty `url` posts nothing. `backlog` is how many messages may wait for their
    callbacks: a request that would exceed it is answered 429 instead of being forgotten.
    """

    url: str = ""
    delivered: float = 0.95
    hard_bounce: float = 0.02
    soft_bounce: float = 0.02
    unsubscribed: float = 0.005
    spam: float = 0.002
    clicked: float = 0.1
    duplicates: float = 0.0
    batch: int = 500
    delay: float = 0.0
    attempts: int = 10
    backlog: int = 200_000

    def __post_init__(self) -> None:
        shares = ("delivered", "hard_bounce", "soft_bounce", "unsubscribed", "spam")
        for name in (*shares, "clicked", "duplicates"):
            _check_share(f"callbacks.{name}", getattr(self, name))
        if self.delivered + self.hard_bounce + self.soft_bounce > 1 + _ROUNDING:
            shares_of_all = "(delivered, hard_bounce, soft_bounce)"
            raise BehaviourError("callbacks", f"{shares_of_all} must add up to at most 1")
        if self.unsubscribed + self.spam > 1 + _ROUNDING:
            raise BehaviourError("callbacks", "(unsubscribed, spam) must add up to at most 1")
        for name in ("batch", "attempts", "backlog"):
            _check_least(f"callbacks.{name}", getattr(self, name), 1)
        _check_least("callbacks.delay", self.delay, 0)
        _check_url(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """All that can be changed while the simulator runs.

    With `address_rules`, addresses such as `bounce1@example.com` choose their own fate (see
    `outcomes`). With `idempotent`, a repeated idempotency key gets its first answer again.
    """

    faults: Faults = field(default_factory=Faults)
    callbacks: Callbacks = field(default_factory=Callbacks)
    idempotent: bool = False
    address_rules: bool = True
    seed: int = 0

    def changed(self, changes: object) -> Behaviour:
        """Return this behaviour with the keys of a JSON object replaced, at any depth.

        Raises BehaviourError, naming the key, where one is unknown or its value is unfit; then
        nothing has changed.
        """
        return _changed(self, changes, "")


def _changed(settings: _Settings, changes: object, path: str) -> _Settings:
    if not isinstance(changes, dict):
        raise BehaviourError(path or "the body", "must be a JSON object")
    known = [known_field.name for known_field in fields(settings)]
    new: dict[str, Any] = {}
    for name, given in changes.items():
        place = f"{path}.{name}" if path else str(name)
        if name not in known:
            raise BehaviourError(place, f"is no setting; there are {', '.join(known)}")
        new[name] = _fitted(getattr(settings, name), given, place)
    return replace(settings, **new)


def _fitted(current: object, given: object, place: str) -> object:
    """Return `given` as a value of the type of `current`, which is its default or last value."""
    if isinstance(current, Span) and not isinstance(given, dict):
        return Span.of(given, place)
    if is_dataclass(current):
        return _changed(current, given, place)
    if isinstance(current, tuple):
        return _texts(given, place)
    if isinstance(current, float) and type(given) is int:
        return float(given)
    if type(given) is not type(current):
        raise BehaviourError(place, f"must be a {type(current).__name__}, not {given!r}")
    return given


def _texts(given: object, place: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise BehaviourError(place, "must be an array of strings")
    return tuple(given)


def _check_share(name: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise BehaviourError(name, f"is {share}: a share lies between 0 and 1")


def _check_status(name: str, status: int, lowest: int, highest: int) -> None:
    if not lowest <= status <= highest:
        raise BehaviourError(name, f"is {status}: it must be from {lowest} to {highest}")


def _check_least(name: str, number: float, least: float) -> None:
    if not least <= number < float("inf"):
        raise BehaviourError(name, f"is {number}: it must be at least {least}")


def _check_url(url: str) -> None:
    if not url:
        return
    try:
        parts = urlsplit(url)
        fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fit = False
    if not fit:
        raise BehaviourError("callbacks.url", "must be like http://127.0.0.1:8080/path")
