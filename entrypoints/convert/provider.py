"""Providers: what a ConfigureProvider asks for, and what an answer shows. Secrets only go in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from domain import provider_rules
from domain.errors import InvalidRequest, Violation
from domain.provider import (
    BasicAuthentication,
    Batch,
    Header,
    IdempotencyKey,
    Limits,
    PreferenceCenter,
    PreferenceCenterKind,
    Provider,
    ProviderConfig,
    QueryParameter,
    RequestType,
)
from entrypoints.convert.enums import pair
from entrypoints.convert.faults import prefixed
from entrypoints.convert.provider_status import to_status
from entrypoints.convert.times import (
    duration_fault,
    from_duration,
    to_duration,
    to_timestamp,
)
from espalier.v1 import provider_pb2

PREFIX = "provider."
REQUEST_TYPES = pair(RequestType, provider_pb2.RequestType.Value, "REQUEST_TYPE")
PREFERENCE_CENTERS = pair(
    PreferenceCenterKind, provider_pb2.PreferenceCenterKind.Value, "PREFERENCE_CENTER_KIND"
)
# What is right of these depends on the request type.
_OF_ONE_TYPE = ("parameters", "query_parameters", "batch")
_DEFAULT_KEY = IdempotencyKey()


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedProvider:
    """The configuration that a message asks for; an empty secret in it means the one stored.

    `faults` are where the message says what the domain has no value for (no request type, say).
    Something stands in there, so that all else can be checked; it is not to be stored.
    """

    config: ProviderConfig
    faults: tuple[Violation, ...]

    def refusal(self, others: Iterable[Violation] = ()) -> InvalidRequest:
        """All that is wrong, with `others` found in the configuration; fields of the request."""
        known = all(fault.field != "request_type" for fault in self.faults)
        rest = (v for v in others if known or not v.field.startswith(_OF_ONE_TYPE))
        return InvalidRequest(prefixed([*self.faults, *rest], PREFIX))


def read_provider(message: provider_pb2.Provider) -> WantedProvider:
    """What a caller wants a provider to be."""
    return WantedProvider(config=_config(message), faults=tuple(_faults(message)))


def to_config_message(config: ProviderConfig) -> provider_pb2.Provider:
    """What was configured, with the defaults in force and without secrets."""
    return provider_pb2.Provider(
        nickname=config.nickname,
        request_type=REQUEST_TYPES.to_proto[config.request_type],
        http_endpoint=config.http_endpoint,
        authentication=_to_authentication(config.basic),
        headers=[_to_header(header) for header in config.headers],
        query_parameters=[
            provider_pb2.QueryParameter(name=each.name, value=each.value)
            for each in config.query_parameters
        ],
        parameters=config.parameters,
        batch=_to_batch(config.batch),
        default_from_name=config.default_from_name,
        default_from_address=config.default_from_address,
        default_reply_to_address=config.default_reply_to_address,
        preference_center=provider_pb2.PreferenceCenter(
            kind=PREFERENCE_CENTERS.to_proto[config.preference_center.kind],
            custom_url=config.preference_center.custom_url,
        ),
        limits=_to_limits(config.limits),
        idempotency_key=_to_idempotency_key(config.idempotency_key),
    )


def to_provider(provider: Provider, *, callback_url: str, now: float) -> provider_pb2.Provider:
    """A stored provider, and what it is doing at `now` (epoch seconds)."""
    message = to_config_message(provider.config)
    message.callback_url = callback_url
    message.etag = provider.etag
    message.create_time.CopyFrom(to_timestamp(provider.created_at))
    message.update_time.CopyFrom(to_timestamp(provider.updated_at))
    message.status.CopyFrom(to_status(provider, now=now))
    return message


def _config(message: provider_pb2.Provider) -> ProviderConfig:
    return ProviderConfig(
        nickname=message.nickname,
        # Stands in for what is none, which is among the faults.
        request_type=REQUEST_TYPES.of_proto.get(message.request_type, RequestType.POST),
        http_endpoint=message.http_endpoint,
        basic=_basic(message.authentication),
        headers=tuple(Header(name=h.name, value=h.value, secret=h.secret) for h in message.headers),
        query_parameters=tuple(
            QueryParameter(name=each.name, value=each.value) for each in message.query_parameters
        ),
        parameters=message.parameters,
        batch=_batch(message.batch) if message.HasField("batch") else None,
        default_from_name=message.default_from_name,
        default_from_address=message.default_from_address,
        default_reply_to_address=message.default_reply_to_address,
        preference_center=_preference_center(message.preference_center),
        limits=_limits(message.limits),
        idempotency_key=_idempotency_key(message.idempotency_key),
    )


def _faults(message: provider_pb2.Provider) -> Iterator[Violation]:
    if message.callback_url:
        yield provider_rules.callback_url_given()
    if message.request_type not in REQUEST_TYPES.of_proto:
        yield REQUEST_TYPES.violation(message.request_type, "request_type")
    kind = message.preference_center.kind
    if kind and kind not in PREFERENCE_CENTERS.of_proto:
        yield PREFERENCE_CENTERS.violation(kind, "preference_center.kind")
    for duration, field in (
        (message.limits.timeout, "limits.timeout"),
        (message.limits.retry_deadline, "limits.retry_deadline"),
    ):
        fault = duration_fault(duration, field)
        if fault is not None:
            yield fault


def _basic(message: provider_pb2.Authentication) -> BasicAuthentication | None:
    if message.WhichOneof("method") != "basic":
        return None
    return BasicAuthentication(username=message.basic.username, password=message.basic.password)


def _batch(message: provider_pb2.Batch) -> Batch:
    max_bytes = message.max_bytes if message.HasField("max_bytes") else None
    return Batch(max_messages=message.max_messages, max_bytes=max_bytes)


def _preference_center(message: provider_pb2.PreferenceCenter) -> PreferenceCenter:
    none = PreferenceCenterKind.NONE
    if message.kind and message.custom_url:
        # Where the kind is unknown, the URL is still to be checked as one.
        none = PreferenceCenterKind.CUSTOM_URL
    kind = PREFERENCE_CENTERS.of_proto.get(message.kind, none)
    return PreferenceCenter(kind=kind, custom_url=message.custom_url)


def _limits(message: provider_pb2.Limits) -> Limits:
    """The domain's defaults stand where the message has no value."""
    given = Limits()
    if message.HasField("max_requests_per_second"):
        given = replace(given, max_requests_per_second=message.max_requests_per_second)
    if message.HasField("max_messages_per_second"):
        given = replace(given, max_messages_per_second=message.max_messages_per_second)
    if message.HasField("max_in_flight"):
        given = replace(given, max_in_flight=message.max_in_flight)
    if _is_given(message, "timeout"):
        given = replace(given, timeout_seconds=from_duration(message.timeout))
    if message.HasField("max_attempts"):
        given = replace(given, max_attempts=message.max_attempts)
    if _is_given(message, "retry_deadline"):
        given = replace(given, retry_deadline_seconds=from_duration(message.retry_deadline))
    return given


def _is_given(message: provider_pb2.Limits, name: Literal["timeout", "retry_deadline"]) -> bool:
    """Whether there is a duration, and one that is none of the faults."""
    return message.HasField(name) and duration_fault(getattr(message, name), name) is None


def _idempotency_key(message: provider_pb2.IdempotencyKey) -> IdempotencyKey:
    if message.disabled:
        return IdempotencyKey(header_name=None)
    return IdempotencyKey(header_name=message.header_name) if message.header_name else _DEFAULT_KEY


def _to_authentication(basic: BasicAuthentication | None) -> provider_pb2.Authentication | None:
    if basic is None:
        return None
    return provider_pb2.Authentication(
        basic=provider_pb2.BasicAuthentication(
            username=basic.username, password_set=bool(basic.password)
        )
    )


def _to_header(header: Header) -> provider_pb2.Header:
    if header.secret:
        return provider_pb2.Header(name=header.name, secret=True, value_set=bool(header.value))
    return provider_pb2.Header(name=header.name, value=header.value)


def _to_batch(batch: Batch | None) -> provider_pb2.Batch | None:
    if batch is None:
        return None
    return provider_pb2.Batch(max_messages=batch.max_messages, max_bytes=batch.max_bytes)


def _to_limits(limits: Limits) -> provider_pb2.Limits:
    return provider_pb2.Limits(
        max_requests_per_second=limits.max_requests_per_second,
        max_messages_per_second=limits.max_messages_per_second,
        max_in_flight=limits.max_in_flight,
        timeout=to_duration(limits.timeout_seconds),
        max_attempts=limits.max_attempts,
        retry_deadline=to_duration(limits.retry_deadline_seconds),
    )


def _to_idempotency_key(key: IdempotencyKey) -> provider_pb2.IdempotencyKey:
    if key.header_name is None:
        return provider_pb2.IdempotencyKey(disabled=True)
    return provider_pb2.IdempotencyKey(header_name=key.header_name)
