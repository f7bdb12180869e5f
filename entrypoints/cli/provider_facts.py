"""A provider as a person reads it: everything that is set."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.duration_pb2 import Duration

from entrypoints.cli.message_text import yaml_of
from entrypoints.cli.output import enum_text, time_text
from entrypoints.cli.provider_status import status_facts
from espalier.v1 import provider_pb2
from espalier.v1.provider_pb2 import Limits, Provider


def facts_of(provider: Provider) -> dict[str, str]:
    """Return names and values in the order in which they are shown; empty where nothing is set."""
    return {
        "Nickname": provider.nickname,
        "Request": f"{request_type(provider)} {provider.http_endpoint}",
        "Authentication": _authentication(provider.authentication),
        "Headers": "\n".join(
            f"{h.name}: {'***' if h.secret else h.value}" for h in provider.headers
        ),
        "Query": "\n".join(f"{p.name}={p.value}" for p in provider.query_parameters),
        "Secrets": "\n".join(f"{s.name}: ***" for s in provider.secrets),
        "Body": _body(provider),
        "Batch": _batch(provider),
        "From": _sender(provider),
        "Reply to": provider.default_reply_to_address,
        "Preference center": _preference_center(provider.preference_center),
        "Limits": "\n".join(_limits(provider.limits)),
        "Idempotency key": _idempotency_key(provider.idempotency_key),
        "Callback URL": provider.callback_url,
        **status_facts(provider.status),
        "Created": time_text(provider, "create_time"),
        "Updated": time_text(provider, "update_time"),
        "Etag": provider.etag,
        "Template": provider.parameters,
        "Answer": yaml_of(provider.answer),
        "Webhook": yaml_of(provider.webhook),
    }


def request_type(provider: Provider) -> str:
    """Return GET or POST."""
    return enum_text(provider, "request_type").upper()


def _authentication(authentication: provider_pb2.Authentication) -> str:
    if authentication.HasField("aws_signature"):
        aws = authentication.aws_signature
        key = f"{aws.access_key_id}:{'***' if aws.secret_access_key_set else ''}"
        return f"AWS signature for {aws.service} in {aws.region}, {key}"
    if not authentication.HasField("basic"):
        return "none"
    basic = authentication.basic
    return f"basic, {basic.username}:{'***' if basic.password_set else ''}"


def _body(provider: Provider) -> str:
    """Return what differs from JSON with blanks, which is how most are."""
    words = []
    if provider.body_encoding in (
        provider_pb2.BODY_ENCODING_FORM,
        provider_pb2.BODY_ENCODING_MULTIPART,
    ):
        words.append(enum_text(provider, "body_encoding"))
    if provider.empty_values == provider_pb2.EMPTY_VALUES_OMIT:
        words.append("empty values are left out")
    if provider.empty_values == provider_pb2.EMPTY_VALUES_NULL:
        words.append("empty values are null")
    if provider.stored_template:
        words.append("subject and content are stored at the ESP")
    return ", ".join(words)


def _batch(provider: Provider) -> str:
    if not provider.HasField("batch"):
        return ""
    batch = provider.batch
    parts = [f"{batch.max_messages:,} message{'s' * (batch.max_messages != 1)}"]
    if batch.HasField("max_addresses"):
        parts.append(f"{batch.max_addresses:,} addresses")
    if batch.HasField("max_bytes"):
        parts.append(f"{batch.max_bytes:,} bytes")
    grouped = ", grouped by what stands outside of the messages" if batch.group else ""
    return f"up to {' and '.join(parts)} a request{grouped}"


def _sender(provider: Provider) -> str:
    name, address = provider.default_from_name, provider.default_from_address
    return f"{name} <{address}>".strip() if address else name


def _preference_center(center: provider_pb2.PreferenceCenter) -> str:
    if not center.kind:
        return ""
    kind = enum_text(center, "kind").replace("_", " ")
    return f"{kind}, {center.custom_url}" if center.custom_url else kind


def _limits(limits: Limits) -> Iterator[str]:
    if limits.HasField("max_requests_per_second"):
        yield f"{_number(limits.max_requests_per_second)} requests a second"
    if limits.HasField("max_messages_per_second"):
        yield f"{_number(limits.max_messages_per_second)} messages a second"
    if limits.HasField("max_in_flight"):
        yield f"{limits.max_in_flight:,} requests in flight"
    if limits.HasField("timeout"):
        yield f"{_seconds(limits.timeout)} for an answer"
    if limits.HasField("max_attempts"):
        yield f"{limits.max_attempts} attempts at a message"
    if limits.HasField("retry_deadline"):
        yield f"{_seconds(limits.retry_deadline)} from the first attempt to the last"


def _seconds(span: Duration) -> str:
    return f"{_number(span.ToNanoseconds() / 1e9)} s"


def _number(value: float) -> str:
    """Return all digits of it, with commas between the thousands, and no `.0`."""
    return f"{value:,.15g}"


def _idempotency_key(key: provider_pb2.IdempotencyKey) -> str:
    return "none" if key.disabled else key.header_name
