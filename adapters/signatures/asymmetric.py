"""Signatures that are checked with a public key, in base64 over whatever parts."""

from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from adapters.signatures.encodings import from_base64
from adapters.signatures.proof import Proof
from adapters.signatures.public_keys import public_key
from adapters.signatures.reading import Reading
from adapters.signatures.signed import given_signatures, signed_bytes
from domain.webhook_mapping import Digest, Signature

HASHES: Mapping[Digest, hashes.HashAlgorithm] = {
    Digest.SHA1: hashes.SHA1(),  # noqa: S303 - what Postal and SNS's first version sign with.
    Digest.SHA256: hashes.SHA256(),
    Digest.SHA512: hashes.SHA512(),
}


def verify_ecdsa(signature: Signature, reading: Reading) -> Proof | None:
    return _verify(signature, reading, EllipticCurvePublicKey)


def verify_rsa(signature: Signature, reading: Reading) -> Proof | None:
    return _verify(signature, reading, RSAPublicKey)


def is_signed(key: PublicKeyTypes, given: bytes, signed: bytes, digest: Digest) -> bool:
    """By ECDSA (the signature in DER) or RSA (PKCS #1 v1.5), as the key is; else False."""
    try:
        if isinstance(key, EllipticCurvePublicKey):
            key.verify(given, signed, ECDSA(HASHES[digest]))
        elif isinstance(key, RSAPublicKey):
            key.verify(given, signed, PKCS1v15(), HASHES[digest])
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _verify(
    signature: Signature, reading: Reading, kind: type[EllipticCurvePublicKey | RSAPublicKey]
) -> Proof | None:
    signed = signed_bytes(signature, reading)
    if signed is None:
        return None
    keys = [key for key in map(public_key, signature.secrets) if isinstance(key, kind)]
    for text in given_signatures(signature, reading):
        given = from_base64(text)
        if given and any(is_signed(key, given, signed, signature.digest) for key in keys):
            return Proof(signed=signed, body=reading.request.body)
    return None
