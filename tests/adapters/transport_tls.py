"""A certificate authority of the tests' own, and certificates for 127.0.0.1."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Authority:
    """`ca_file` is what a client is told to trust."""

    ca_file: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def server_context(self, directory: Path, name: str = "127.0.0.1") -> ssl.SSLContext:
        """For a server that shows a certificate for `name`, a host or an IP address."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, self.certificate.subject, key).add_extension(
            x509.SubjectAlternativeName([_general_name(name)]), critical=False
        )
        chain = directory / f"{name}.pem"
        chain.write_bytes(_pem(key) + _pem(builder.sign(self.key, hashes.SHA256())))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context


def new_authority(directory: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name("Espalier's tests")
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    builder = _builder("Espalier's tests", subject, key).add_extension(constraints, critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    ca_file = directory / "ca.pem"
    ca_file.write_bytes(_pem(certificate))
    return Authority(ca_file, key, certificate)


def _builder(
    subject: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(part: ec.EllipticCurvePrivateKey | x509.Certificate) -> bytes:
    if isinstance(part, x509.Certificate):
        return part.public_bytes(serialization.Encoding.PEM)
    return part.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
