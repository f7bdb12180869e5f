"""Standard Webhooks (https://www.standardwebhooks.com), which Svix signs with as well.

The package of that name goes by the wall clock and its own tolerance, knows no `svix-` headers and
raises ValueErrors for headers that are malformed; the scheme is one HMAC, so it is computed here.
"""

import hmac
from collections.abc import Iterator

from adapters.signatures.encodings import from_base64, octets
from adapters.signatures.proof import Proof, epoch_seconds
from adapters.signatures.reading import Reading
from domain.webhook_mapping import Signature

_NAMES = ("webhook", "svix")
_SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with.
_VERSION = "v1,"
_MOST_SIGNATURES = 8


def verify_standard_webhooks(signature: Signature, reading: Reading) -> Proof | None:
    for name in _NAMES:
        identifier, timestamp, given = (
            reading.header(f"{name}-{part}") for part in ("id", "timestamp", "signature")
        )
        if identifier and timestamp and given:
            head = octets(f"{identifier}.{timestamp}.")
            seconds = epoch_seconds(timestamp)
            if head is None or seconds is None:
                return None
            signed = head + reading.request.body
            if not _is_signed(signature, signed, given):
                return None
            body = reading.request.body
            return Proof(signed=signed, body=body, timestamp=seconds, nonce=identifier)
    return None


def key_of(secret: str) -> bytes | None:
    """The key that a secret stands for; None where it is no base64 or nothing."""
    return from_base64(secret.strip().removeprefix(_SECRET_PREFIX)) or None


def _is_signed(signature: Signature, signed: bytes, header: str) -> bool:
    expected = [hmac.digest(key, signed, "sha256") for key in _keys(signature)]
    given = [
        from_base64(one.removeprefix(_VERSION)) or b""
        for one in header.split(" ", _MOST_SIGNATURES)[:_MOST_SIGNATURES]
        if one.startswith(_VERSION)
    ]
    return any(hmac.compare_digest(one, other) for one in expected for other in given)


def _keys(signature: Signature) -> Iterator[bytes]:
    for secret in signature.secrets:
        key = key_of(secret)
        if key is not None:
            yield key
