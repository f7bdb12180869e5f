"""HMAC over whatever parts: the body, fields of it, a timestamp and the body."""

import hmac

from adapters.signatures.encodings import decoded, octets
from adapters.signatures.proof import Proof
from adapters.signatures.reading import Reading
from adapters.signatures.signed import given_signatures, signed_bytes
from domain.webhook_mapping import Signature


def verify_hmac(signature: Signature, reading: Reading) -> Proof | None:
    signed = signed_bytes(signature, reading)
    if signed is None:
        return None
    expected = [
        hmac.digest(key, signed, signature.digest.value.lower())
        for key in map(octets, signature.secrets)
        if key
    ]
    for text in given_signatures(signature, reading):
        given = decoded(text, signature.encoding)
        if given is not None and any(hmac.compare_digest(one, given) for one in expected):
            return Proof(signed=signed, body=reading.request.body)
    return None
