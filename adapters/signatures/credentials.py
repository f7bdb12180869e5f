"""What is no signature and is known to the sender alone: Basic credentials, a token in a header."""

import hmac

from adapters.signatures.encodings import from_base64, octets
from adapters.signatures.proof import Proof
from adapters.signatures.reading import Reading
from adapters.signatures.signed import given_signatures
from domain.webhook_mapping import Signature

_BASIC = "basic "


def verify_basic(signature: Signature, reading: Reading) -> Proof | None:
    """RFC 7617; the scheme's name has no case."""
    header = reading.header("authorization") or ""
    if header[: len(_BASIC)].lower() != _BASIC:
        return None
    return _known(signature, reading, from_base64(header[len(_BASIC) :].strip()))


def verify_header_token(signature: Signature, reading: Reading) -> Proof | None:
    for text in given_signatures(signature, reading):
        proof = _known(signature, reading, octets(text))
        if proof is not None:
            return proof
    return None


def _known(signature: Signature, reading: Reading, given: bytes | None) -> Proof | None:
    secrets = [secret for secret in map(octets, signature.secrets) if secret]
    if given and any(hmac.compare_digest(secret, given) for secret in secrets):
        return Proof(signed=reading.request.body, body=reading.request.body)
    return None
