"""A provider's configuration as it is stored: JSON without secrets, and the secrets apart."""

from dataclasses import asdict, replace
from typing import Any

import orjson
from sqlalchemy import Row

from domain.circuit import Circuit
from domain.provider import (
    BasicAuthentication,
    Batch,
    Header,
    IdempotencyKey,
    Limits,
    PreferenceCenter,
    PreferenceCenterKind,
    ProviderConfig,
    QueryParameter,
    RequestType,
)

_BLANK_PASSWORD = {"password": ""}


def encode(config: ProviderConfig) -> tuple[str, bytes]:
    """The JSON, in which secrets are blank, and JSON of the secrets, which is to be sealed."""
    secrets = {
        "password": config.basic.password if config.basic else "",
        "headers": [header.value if header.secret else "" for header in config.headers],
    }
    blank = replace(
        config,
        basic=None if config.basic is None else replace(config.basic, **_BLANK_PASSWORD),
        headers=tuple(replace(h, value="") if h.secret else h for h in config.headers),
    )
    return orjson.dumps(asdict(blank)).decode(), orjson.dumps(secrets)


def decode(text: str, opened: bytes) -> ProviderConfig:
    """What `encode` was given."""
    fields: dict[str, Any] = orjson.loads(text)
    secrets: dict[str, Any] = orjson.loads(opened)
    center = fields["preference_center"]
    center["kind"] = PreferenceCenterKind(center["kind"])
    basic, batch = fields["basic"], fields["batch"]
    if basic is not None:
        basic = BasicAuthentication(**{**basic, "password": secrets["password"]})
    headers = [Header(**header) for header in fields["headers"]]
    return ProviderConfig(
        **{
            **fields,
            "request_type": RequestType(fields["request_type"]),
            "basic": basic,
            "headers": tuple(
                replace(header, value=value) if header.secret else header
                for header, value in zip(headers, secrets["headers"], strict=True)
            ),
            "query_parameters": tuple(QueryParameter(**q) for q in fields["query_parameters"]),
            "batch": None if batch is None else Batch(**batch),
            "preference_center": PreferenceCenter(**center),
            "limits": Limits(**fields["limits"]),
            "idempotency_key": IdempotencyKey(**fields["idempotency_key"]),
        }
    )


def read_circuit(row: Row[Any]) -> Circuit:
    return Circuit(
        failures=row.failures,
        opened=row.opened,
        open_until=row.open_until,
        reason=row.failure,
    )
