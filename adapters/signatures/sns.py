"""Amazon SNS: RSA over the fields of its envelope, by a certificate that the envelope names."""

from datetime import UTC, datetime

from adapters.signatures.asymmetric import is_signed
from adapters.signatures.encodings import from_base64
from adapters.signatures.proof import Proof
from adapters.signatures.reading import Reading
from adapters.signatures.sns_certificates import SnsCertificates
from domain import sns
from domain.webhook_mapping import Digest, Signature

_DIGESTS = {"1": Digest.SHA1, "2": Digest.SHA256}
# For so long, in seconds, SNS repeats what was not answered, with the signature of the first time.
_REPEATED_SECONDS = 3600.0


async def verify_sns(
    signature: Signature, reading: Reading, certificates: SnsCertificates
) -> Proof | None:
    """Raises TryLater where the certificate cannot be fetched now."""
    message = sns.read_message(reading.request.body)
    # A topic of somebody else's is signed as well as ours.
    if message is None or message.get("TopicArn") not in signature.topics:
        return None
    signed, given = sns.signed_text(message), message.get("Signature")
    url, version = message.get("SigningCertURL"), message.get("SignatureVersion")
    digest = _DIGESTS.get(version) if isinstance(version, str) else None
    if signed is None or digest is None or not isinstance(given, str) or not isinstance(url, str):
        return None
    seconds = _epoch_seconds(message["Timestamp"])
    decoded = from_base64(given)
    if not decoded or seconds is None or not sns.is_allowed_url(url, signature.certificate_hosts):
        return None
    key = await certificates.key(url)
    if key is None or not is_signed(key, decoded, signed, digest):
        return None
    return Proof(
        signed=signed,
        # What else stands in the body is not signed, and need not be the same.
        body=signed,
        timestamp=seconds,
        nonce=message["MessageId"],
        late_seconds=_REPEATED_SECONDS,
    )


def _epoch_seconds(text: str) -> float | None:
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
