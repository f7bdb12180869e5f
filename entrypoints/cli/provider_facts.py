"""A provider as a person reads it: everything that is set."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.duration_pb2 import Duration

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
    }


def request_type(provider: Provider) -> str:
    """Return GET or POST."""
    return enum_text(provider, "request_type").upper()


def _authentication(authentication: provider_pb2.Authentication) -> str:
    if not authentication.HasField("basic"):
        return "none"
    basic = authentication.basic
    return f"basic, {basic.username}:{'***' if basic.password_set else ''}"


def _batch(provider: Provider) -> str:
    if not provider.HasField("batch"):
        return ""
    batch = provider.batch
    size = f" and {batch.max_bytes:,} bytes" if batch.HasField("max_bytes") else ""
    messages = "message" if batch.max_messages == 1 else "messages"
    return f"up to {batch.max_messages:,} {messages}{size} a request"


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
