"""How fast and how persistently requests are made: the configuration of it, to and from the API."""

from domain.provider import Limits
from entrypoints.convert.reading import Reading
from entrypoints.convert.times import to_duration
from espalier.v1 import provider_pb2


def read_limits(message: provider_pb2.Limits, reading: Reading) -> Limits:
    """The domain's defaults stand where the message has no value."""
    given = Limits()
    return Limits(
        max_requests_per_second=(
            message.max_requests_per_second if message.HasField("max_requests_per_second") else None
        ),
        max_messages_per_second=(
            message.max_messages_per_second if message.HasField("max_messages_per_second") else None
        ),
        max_in_flight=(
            message.max_in_flight if message.HasField("max_in_flight") else given.max_in_flight
        ),
        timeout_seconds=(
            reading.seconds(message.timeout, "limits.timeout", default=given.timeout_seconds)
            if message.HasField("timeout")
            else given.timeout_seconds
        ),
        max_attempts=(
            message.max_attempts if message.HasField("max_attempts") else given.max_attempts
        ),
        retry_deadline_seconds=(
            reading.seconds(
                message.retry_deadline,
                "limits.retry_deadline",
                default=given.retry_deadline_seconds,
            )
            if message.HasField("retry_deadline")
            else given.retry_deadline_seconds
        ),
    )


def to_limits(limits: Limits) -> provider_pb2.Limits:
    return provider_pb2.Limits(
        max_requests_per_second=limits.max_requests_per_second,
        max_messages_per_second=limits.max_messages_per_second,
        max_in_flight=limits.max_in_flight,
        timeout=to_duration(limits.timeout_seconds),
        max_attempts=limits.max_attempts,
        retry_deadline=to_duration(limits.retry_deadline_seconds),
    )
