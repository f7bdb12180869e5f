"""An SNS of the tests' own: authorities, a certificate, and messages that it signs."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from domain.http import HttpRequest, HttpResponse, TransportError
from domain.webhook_mapping import Signature, SignatureScheme
from domain.webhook_request import WebhookRequest
from tests.adapters.fake_transport import FakeTransport
from tests.adapters.signed_requests import NOW, Desk, post

TOPIC = "arn:aws:sns:eu-west-1:123456789012:mail-events"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem"
ISSUER_URL = "http://crt.r2m01.amazontrust.com/r2m01.cer"
SNS = Signature(scheme=SignatureScheme.SNS, topics=(TOPIC,))

_DAYS = timedelta(days=100)


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """One for each name: to make them takes long."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True)
class Signer:
    """A key with its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def authority(name: str, issuer: Signer | None = None) -> Signer:
    """A root, or one that `issuer` vouches for."""
    key = rsa_key(name)
    builder = _builder(name, key, issuer).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = builder.add_extension(usage, critical=True)
    signing = key if issuer is None else issuer.key
    return Signer(key, builder.sign(signing, hashes.SHA256()))


def signer(
    issuer: Signer,
    *,
    name: str = "sns.amazonaws.com",
    ends_at: float = NOW + _DAYS.total_seconds(),
    issuer_url: str = "",
) -> Signer:
    """Whoever signs messages, by default SNS."""
    key = rsa_key("signer")
    builder = _builder(name, key, issuer, ends_at)
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
    ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    if issuer_url:
        access = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(issuer_url)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return Signer(key, builder.sign(issuer.key, hashes.SHA256()))


def _builder(
    name: str,
    key: rsa.RSAPrivateKey,
    issuer: Signer | None,
    ends_at: float = NOW + _DAYS.total_seconds(),
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_key = key if issuer is None else issuer.key
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(NOW, UTC) - _DAYS)
        .not_valid_after(datetime.fromtimestamp(ends_at, UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )


@dataclass(slots=True)
class Sns:
    """Signs messages; `served` is what there is to fetch, by URL."""

    folder: Path
    root: Signer = field(default_factory=lambda: authority("root"))
    by: Signer = field(init=False)
    served: dict[str, bytes | HttpResponse | TransportError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by = signer(self.root)
        self.served[CERTIFICATE_URL] = self.by.pem

    def desk(self, answer: Callable[[HttpRequest], Any] | None = None) -> Desk:
        """A verifier that trusts this SNS's root."""
        ca_file = self.folder / "ca.pem"
        ca_file.write_bytes(b"# The tests' own.\n" + self.root.pem)
        return Desk(transport=FakeTransport(answer or self.serve), ca_file=ca_file)

    def serve(self, request: HttpRequest) -> HttpResponse | TransportError:
        found = self.served.get(request.url, b"")
        if isinstance(found, bytes):
            return HttpResponse(status=200 if found else 404, body=found)
        return found

    def request(
        self, *, version: str = "2", changed: dict[str, Any] | None = None, **fields: Any
    ) -> WebhookRequest:
        """A message with these fields, signed, in which `changed` was changed afterwards."""
        message = notification(**fields)
        message["SignatureVersion"] = version
        message["Signature"] = self.sign(message, version)
        body = orjson.dumps(message | (changed or {}))
        return post(body, {"content-type": "text/plain; charset=UTF-8"})

    def sign(self, message: dict[str, Any], version: str) -> str:
        names = _NAMES[message["Type"]]
        text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
        digest = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303 - AWS's.
        signed = self.by.key.sign(text.encode(), padding.PKCS1v15(), digest)
        return base64.b64encode(signed).decode()


_NAMES: dict[str, Sequence[str]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    ),
}
_NAMES["UnsubscribeConfirmation"] = _NAMES["SubscriptionConfirmation"]


def notification(**fields: Any) -> dict[str, Any]:
    """A message without a signature; a field that is None is left out."""
    at = datetime.fromtimestamp(NOW, UTC).strftime("%Y-%m-%dT%H:%M:%S.123Z")
    usual = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": '{"eventType":"Delivery"}\nZoë',
        "Timestamp": at,
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
    }
    return {name: value for name, value in (usual | fields).items() if value is not None}


def confirmation(**fields: Any) -> dict[str, Any]:
    """The fields of a message that asks whether a subscription is wanted."""
    return {
        "Type": "SubscriptionConfirmation",
        "Token": "2336412f37",
        "Message": "You have chosen to subscribe.",
        "SubscribeURL": SUBSCRIBE_URL,
        "UnsubscribeURL": None,
    } | fields


SUBSCRIBE_URL = (
    "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"
    f"&TopicArn={TOPIC}&Token=2336412f37"
)
