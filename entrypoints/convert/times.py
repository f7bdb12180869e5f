"""Timestamps and durations of the API, and seconds as the domain has them."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from domain.errors import Violation

_MICROS = 1_000_000
_NANOS = 1_000_000_000
# What the comments of timestamp.proto and duration.proto allow: the years 1 to 9999, and 10,000
# years either way.
_TIMESTAMP_SECONDS = range(-62_135_596_800, 253_402_300_800)
_DURATION_SECONDS = range(-315_576_000_000, 315_576_000_001)


def to_timestamp(seconds: float) -> Timestamp:
    """Epoch seconds, to the microsecond: a double holds no more of the present time."""
    timestamp = Timestamp()
    put_time(timestamp, seconds)
    return timestamp


def put_time(timestamp: Timestamp, seconds: float) -> None:
    """As `to_timestamp`, into a field of a message."""
    timestamp.seconds, micros = divmod(round(seconds * _MICROS), _MICROS)
    timestamp.nanos = micros * 1000


def to_timestamp_or_none(seconds: float | None) -> Timestamp | None:
    """None leaves a field of a message unset."""
    return None if seconds is None else to_timestamp(seconds)


def from_timestamp(timestamp: Timestamp) -> float:
    """Epoch seconds."""
    return timestamp.seconds + timestamp.nanos / _NANOS


def timestamp_fault(timestamp: Timestamp, field: str) -> Violation | None:
    """For numbers that came over the wire and are no time."""
    if timestamp.seconds in _TIMESTAMP_SECONDS and 0 <= timestamp.nanos < _NANOS:
        return None
    message = "is no time; give a year from 1 to 9999, and nanos from 0 to 999,999,999"
    return Violation(field=field, reason="INVALID_TIMESTAMP", message=message)


def to_duration(seconds: float) -> Duration:
    """Seconds and nanoseconds of one sign, as duration.proto wants them."""
    sign = -1 if seconds < 0 else 1
    whole, nanos = divmod(round(abs(seconds) * _NANOS), _NANOS)
    return Duration(seconds=sign * whole, nanos=sign * nanos)


def from_duration(duration: Duration) -> float:
    """Seconds."""
    return duration.seconds + duration.nanos / _NANOS


def duration_fault(duration: Duration, field: str) -> Violation | None:
    """For numbers that came over the wire and are no span of time."""
    seconds, nanos = duration.seconds, duration.nanos
    if seconds in _DURATION_SECONDS and abs(nanos) < _NANOS and seconds * nanos >= 0:
        return None
    message = "is no duration; give nanos of at most 999,999,999 and of the sign of seconds"
    return Violation(field=field, reason="INVALID_DURATION", message=message)
