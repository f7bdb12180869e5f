"""A provider's configuration as it is stored: JSON without secrets, and the secrets apart.

What an earlier version stored lacks fields that came since; they have their defaults.
"""

from dataclasses import asdict
from typing import Any, Final

import orjson
from pydantic import TypeAdapter
from sqlalchemy import Row

from domain.circuit import Circuit
from domain.provider import ProviderConfig
from domain.provider_secrets import NONE, SecretValues, secret_values, with_secret_values

_CONFIGS: Final = TypeAdapter(ProviderConfig)
_SECRETS: Final = TypeAdapter(SecretValues)


def encode(config: ProviderConfig) -> tuple[str, bytes]:
    """The JSON, in which secrets are blank, and JSON of the secrets, which is to be sealed."""
    blank = with_secret_values(config, NONE)
    return orjson.dumps(asdict(blank)).decode(), orjson.dumps(asdict(secret_values(config)))


def decode(text: str, opened: bytes) -> ProviderConfig:
    """What `encode` was given."""
    blank = _CONFIGS.validate_python(orjson.loads(text))
    return with_secret_values(blank, _SECRETS.validate_python(orjson.loads(opened)))


def read_circuit(row: Row[Any]) -> Circuit:
    return Circuit(
        failures=row.failures,
        opened=row.opened,
        open_until=row.open_until,
        reason=row.failure,
    )
