"""Providers: what a ConfigureProvider asks for, and what an answer shows. Secrets only go in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from domain import provider_rules
from domain.errors import InvalidRequest, Violation
from domain.provider import (
    Batch,
    BodyEncoding,
    EmptyValues,
    Header,
    IdempotencyKey,
    PreferenceCenter,
    PreferenceCenterKind,
    Provider,
    ProviderConfig,
    QueryParameter,
    RequestType,
)
from entrypoints.convert.enums import pair
from entrypoints.convert.faults import prefixed
from entrypoints.convert.provider_access import (
    read_aws_signature,
    read_basic,
    read_secret,
    to_authentication,
    to_secret,
)
from entrypoints.convert.provider_answer import read_answer, to_answer
from entrypoints.convert.provider_limits import read_limits, to_limits
from entrypoints.convert.provider_status import to_status
from entrypoints.convert.provider_webhook import read_webhook, to_webhook
from entrypoints.convert.reading import Reading
from entrypoints.convert.times import to_timestamp
from espalier.v1 import provider_pb2

PREFIX = "provider."
REQUEST_TYPES = pair(RequestType, provider_pb2.RequestType.Value, "REQUEST_TYPE")
PREFERENCE_CENTERS = pair(
    PreferenceCenterKind, provider_pb2.PreferenceCenterKind.Value, "PREFERENCE_CENTER_KIND"
)
BODY_ENCODINGS = pair(BodyEncoding, provider_pb2.BodyEncoding.Value, "BODY_ENCODING")
EMPTY_VALUES = pair(EmptyValues, provider_pb2.EmptyValues.Value, "EMPTY_VALUES")
# What is right of these depends on the request type.
_OF_ONE_TYPE = ("parameters", "query_parameters", "batch", "body_encoding", "empty_values")
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
        unknown = tuple(part for fault in self.faults for part in _depending_on(fault))
        rest = (v for v in others if not v.field.startswith(unknown))
        return InvalidRequest(prefixed([*self.faults, *rest], PREFIX))


def _depending_on(fault: Violation) -> tuple[str, ...]:
    """Fields of which nothing can be said while another has no value."""
    if fault.field == "request_type":
        return _OF_ONE_TYPE
    return (fault.field.removesuffix("scheme"),) if fault.field.endswith(".scheme") else ()


def read_provider(message: provider_pb2.Provider) -> WantedProvider:
    """What a caller wants a provider to be."""
    reading = Reading()
    config = _config(message, reading)
    return WantedProvider(config=config, faults=(*_faults(message), *reading.faults))


def to_config_message(config: ProviderConfig) -> provider_pb2.Provider:
    """What was configured, with the defaults in force and without secrets."""
    return provider_pb2.Provider(
        nickname=config.nickname,
        request_type=REQUEST_TYPES.to_proto[config.request_type],
        http_endpoint=config.http_endpoint,
        authentication=to_authentication(config),
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
        limits=to_limits(config.limits),
        idempotency_key=_to_idempotency_key(config.idempotency_key),
        secrets=[to_secret(secret) for secret in config.secrets],
        body_encoding=BODY_ENCODINGS.to_proto[config.body_encoding],
        empty_values=EMPTY_VALUES.to_proto[config.empty_values],
        stored_template=config.stored_template,
        answer=to_answer(config.answer),
        webhook=to_webhook(config.webhook),
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


def _config(message: provider_pb2.Provider, reading: Reading) -> ProviderConfig:
    return ProviderConfig(
        nickname=message.nickname,
        # Stands in for what is none, which is among the faults.
        request_type=REQUEST_TYPES.of_proto.get(message.request_type, RequestType.POST),
        http_endpoint=message.http_endpoint,
        basic=read_basic(message.authentication),
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
        limits=read_limits(message.limits, reading),
        idempotency_key=_idempotency_key(message.idempotency_key),
        aws_signature=read_aws_signature(message.authentication),
        secrets=tuple(read_secret(secret) for secret in message.secrets),
        body_encoding=reading.choice(
            BODY_ENCODINGS, message.body_encoding, "body_encoding", default=BodyEncoding.JSON
        ),
        empty_values=reading.choice(
            EMPTY_VALUES, message.empty_values, "empty_values", default=EmptyValues.BLANK
        ),
        stored_template=message.stored_template,
        answer=read_answer(message.answer, reading),
        webhook=read_webhook(message.webhook, reading) if message.HasField("webhook") else None,
    )


def _faults(message: provider_pb2.Provider) -> Iterator[Violation]:
    if message.callback_url:
        yield provider_rules.callback_url_given()
    if message.request_type not in REQUEST_TYPES.of_proto:
        yield REQUEST_TYPES.violation(message.request_type, "request_type")
    kind = message.preference_center.kind
    if kind and kind not in PREFERENCE_CENTERS.of_proto:
        yield PREFERENCE_CENTERS.violation(kind, "preference_center.kind")


def _batch(message: provider_pb2.Batch) -> Batch:
    return Batch(
        max_messages=message.max_messages,
        max_bytes=message.max_bytes if message.HasField("max_bytes") else None,
        max_addresses=message.max_addresses if message.HasField("max_addresses") else None,
        group=message.group,
    )


def _preference_center(message: provider_pb2.PreferenceCenter) -> PreferenceCenter:
    none = PreferenceCenterKind.NONE
    if message.kind and message.custom_url:
        # Where the kind is unknown, the URL is still to be checked as one.
        none = PreferenceCenterKind.CUSTOM_URL
    kind = PREFERENCE_CENTERS.of_proto.get(message.kind, none)
    return PreferenceCenter(kind=kind, custom_url=message.custom_url)


def _idempotency_key(message: provider_pb2.IdempotencyKey) -> IdempotencyKey:
    if message.disabled:
        return IdempotencyKey(header_name=None)
    return IdempotencyKey(header_name=message.header_name) if message.header_name else _DEFAULT_KEY


def _to_header(header: Header) -> provider_pb2.Header:
    if header.secret:
        return provider_pb2.Header(name=header.name, secret=True, value_set=bool(header.value))
    return provider_pb2.Header(name=header.name, value=header.value)


def _to_batch(batch: Batch | None) -> provider_pb2.Batch | None:
    if batch is None:
        return None
    return provider_pb2.Batch(
        max_messages=batch.max_messages,
        max_bytes=batch.max_bytes,
        max_addresses=batch.max_addresses,
        group=batch.group,
    )


def _to_idempotency_key(key: IdempotencyKey) -> provider_pb2.IdempotencyKey:
    if key.header_name is None:
        return provider_pb2.IdempotencyKey(disabled=True)
    return provider_pb2.IdempotencyKey(header_name=key.header_name)
