"""What is settled when the simulator starts."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path

from entrypoints.simulated_esp.behaviour import BehaviourError
from entrypoints.simulated_esp.payload import DEFAULT_META_KEYS, DEFAULT_TO_KEYS

# 1,000 messages with 25 KB of HTML each are 25 MB; twice that and a little.
DEFAULT_MAX_BODY = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class EspSettings:
    """Where the simulator listens and how it reads requests.

    Port 0 picks a free one. `basic` is "user:password", or "" to let everybody in; it is never
    shown. `max_body` is in bytes. The last `keep` requests and messages can be looked at, as far
    as 64 MiB hold them. `flush_seconds` bounds how long a stop waits for callbacks.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    basic: str = field(default="", repr=False)
    meta_keys: tuple[str, ...] = DEFAULT_META_KEYS
    to_keys: tuple[str, ...] = DEFAULT_TO_KEYS
    idempotency_header: str = "Idempotency-Key"
    max_body: int = DEFAULT_MAX_BODY
    keep: int = 200
    flush_seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.basic and ":" not in self.basic:
            raise BehaviourError("require_basic", "must be USER:PASSWORD")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise BehaviourError("tls_cert and tls_key", "go together: give both or neither")
        for name in ("meta_keys", "to_keys"):
            if not all(getattr(self, name)):
                raise BehaviourError(name, "must name at least one key, and no empty one")

    @property
    def authorization(self) -> str | None:
        """The value that the Authorization header must have, or None where none is asked for."""
        if not self.basic:
            return None
        return "Basic " + base64.b64encode(self.basic.encode()).decode()
