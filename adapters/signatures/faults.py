"""What of a signature's secrets cannot be used; how the rest is written, the domain's rules say."""

from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from adapters.signatures.public_keys import public_key
from domain.errors import Violation
from domain.webhook_mapping import Signature, SignatureScheme

_KINDS: dict[SignatureScheme, tuple[type[EllipticCurvePublicKey | RSAPublicKey], str]] = {
    SignatureScheme.ECDSA: (EllipticCurvePublicKey, "an elliptic curve"),
    SignatureScheme.RSA: (RSAPublicKey, "RSA"),
}


def unreadable_keys(signature: Signature) -> Iterator[Violation]:
    """The port UnreadableKeys. Fields are relative to the signature: `secrets[0]`."""
    if signature.scheme not in _KINDS:
        return
    kind, name = _KINDS[signature.scheme]
    for index, secret in enumerate(signature.secrets):
        if secret and not isinstance(public_key(secret), kind):
            message = f"is no public key of {name}, in PEM or as the base64 between PEM's lines"
            yield Violation(field=f"secrets[{index}]", reason="INVALID_KEY", message=message)
