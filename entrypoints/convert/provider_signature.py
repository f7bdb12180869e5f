"""How a webhook is signed: the configuration of it, to and from the API. Secrets only go in."""

from domain.webhook_mapping import (
    Digest,
    Signature,
    SignatureEncoding,
    SignaturePart,
    SignatureScheme,
)
from entrypoints.convert.enums import pair
from entrypoints.convert.reading import Reading
from entrypoints.convert.times import to_duration
from espalier.v1 import provider_pb2

SCHEMES = pair(SignatureScheme, provider_pb2.SignatureScheme.Value, "SIGNATURE_SCHEME")
DIGESTS = pair(Digest, provider_pb2.SignatureDigest.Value, "SIGNATURE_DIGEST")
ENCODINGS = pair(SignatureEncoding, provider_pb2.SignatureEncoding.Value, "SIGNATURE_ENCODING")


def read_signature(message: provider_pb2.Signature, field: str, reading: Reading) -> Signature:
    """`field` is its path; no secrets in it mean those that are stored."""
    hmac = SignatureScheme.HMAC
    given = Signature(
        scheme=reading.chosen(SCHEMES, message.scheme, f"{field}.scheme", stand_in=hmac)
    )
    return Signature(
        scheme=given.scheme,
        secrets=tuple(message.secrets),
        digest=reading.choice(DIGESTS, message.digest, f"{field}.digest", default=given.digest),
        encoding=reading.choice(
            ENCODINGS, message.encoding, f"{field}.encoding", default=given.encoding
        ),
        signed=tuple(_part(part) for part in message.signed),
        signature=message.signature,
        prefix=message.prefix,
        separator=message.separator,
        timestamp=message.timestamp,
        nonce=message.nonce,
        tolerance_seconds=(
            reading.seconds(
                message.tolerance, f"{field}.tolerance", default=given.tolerance_seconds
            )
            if message.HasField("tolerance")
            else given.tolerance_seconds
        ),
        header=message.header,
        url=message.url,
        certificate_hosts=tuple(message.certificate_hosts),
        topics=tuple(message.topics),
    )


def to_signature(signature: Signature) -> provider_pb2.Signature:
    """With the number of its secrets in their place."""
    return provider_pb2.Signature(
        scheme=SCHEMES.to_proto[signature.scheme],
        secrets_set=len(signature.secrets),
        digest=DIGESTS.to_proto[signature.digest],
        encoding=ENCODINGS.to_proto[signature.encoding],
        signed=[
            provider_pb2.SignaturePart(literal=part.literal, body=part.body, at=part.at)
            for part in signature.signed
        ],
        signature=signature.signature,
        prefix=signature.prefix,
        separator=signature.separator,
        timestamp=signature.timestamp,
        nonce=signature.nonce,
        tolerance=to_duration(signature.tolerance_seconds),
        header=signature.header,
        url=signature.url,
        certificate_hosts=signature.certificate_hosts,
        topics=signature.topics,
    )


def _part(message: provider_pb2.SignaturePart) -> SignaturePart:
    return SignaturePart(literal=message.literal, body=message.body, at=message.at)
