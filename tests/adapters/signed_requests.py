"""Requests that ESPs sign, and a verifier whose clock stands still."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from adapters.signatures.authorities import Authorities
from adapters.signatures.sns_certificates import SnsCertificates
from adapters.signatures.verifier import WebhookSignatures
from domain.webhook_mapping import Signature
from domain.webhook_request import WebhookRequest
from services.ports import Verified
from tests.adapters.fake_transport import FakeTransport
from tests.fakes.clock import FakeClock
from tests.fakes.signature_uses import FakeSignatureUses
from tests.fakes.store import Store

NOW = 1_800_000_000.0
URL = "https://mail.example.com/callbacks/T0ken"


@dataclass(slots=True)
class Desk:
    """A verifier and what stands behind it."""

    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    transport: FakeTransport = field(default_factory=FakeTransport)
    ca_file: Path = Path("nobody-is-trusted.pem")
    verifier: WebhookSignatures = field(init=False)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.clock)
        authorities = Authorities(self.ca_file)
        self.verifier = WebhookSignatures(
            uses=FakeSignatureUses(self.store),
            certificates=SnsCertificates(self.transport, authorities, self.clock),
            clock=self.clock,
        )

    async def verify(
        self, signatures: Signature | Sequence[Signature], request: WebhookRequest
    ) -> Verified | None:
        wanted = [signatures] if isinstance(signatures, Signature) else signatures
        return await self.verifier.verify(wanted, request)

    async def holds(self, signature: Signature, request: WebhookRequest) -> bool:
        return await self.verify(signature, request) is not None


def post(
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    query: Mapping[str, str] | None = None,
    url: str = URL,
) -> WebhookRequest:
    return WebhookRequest(
        method="POST", url=url, headers=headers or {}, query=query or {}, body=body
    )


def hex_hmac(key: bytes, message: bytes, digest: str = "sha256") -> str:
    return hmac.new(key, message, getattr(hashlib, digest)).hexdigest()


def base64_hmac(key: bytes, message: bytes, digest: str = "sha256") -> str:
    return base64.b64encode(bytes.fromhex(hex_hmac(key, message, digest))).decode()


def as_pem(key: PublicKeyTypes) -> str:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def as_base64(key: PublicKeyTypes) -> str:
    return base64.b64encode(
        key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    ).decode()
