"""Public keys as ESPs give them out: in PEM, or the base64 between PEM's lines."""

from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from adapters.signatures.encodings import from_base64, octets


# A key is read for every request that it is to verify.
@lru_cache(maxsize=256)
def public_key(text: str) -> PublicKeyTypes | None:
    """None for what is no key, or of a kind that is not known."""
    try:
        if "-----BEGIN" in text:
            return load_pem_public_key(octets(text) or b"")
        return load_der_public_key(from_base64("".join(text.split())) or b"")
    except (ValueError, UnsupportedAlgorithm):
        return None
