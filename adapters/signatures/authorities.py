"""Whether a certificate was issued by somebody whom we trust, and for a name that we expect."""

import re
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import AuthorityInformationAccessOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)
# A chain is two or three certificates long.
_MOST_CERTIFICATES = 8


class Authorities:
    """Those in a PEM file, which is read when the first certificate is to be checked."""

    def __init__(self, ca_file: Path) -> None:
        self._ca_file = ca_file
        self._store: Store | None = None

    def vouch_for(
        self, chain: Sequence[x509.Certificate], names: Sequence[str], *, now: float
    ) -> bool:
        """Whether the first of `chain` is valid now, for one of `names`, by way of the others."""
        if not chain:
            return False
        policy = PolicyBuilder().store(self._trusted()).time(datetime.fromtimestamp(now, UTC))
        return any(_is_valid(policy, name, chain) for name in names)

    def _trusted(self) -> Store:
        if self._store is None:
            found = _PEM.findall(self._ca_file.read_bytes())
            self._store = Store([one for pem in found if (one := _certificate(pem)) is not None])
        return self._store


def certificates(data: bytes) -> list[x509.Certificate]:
    """Those of a PEM file, or the one of a DER file; what is none is passed over."""
    found = _PEM.findall(data)[:_MOST_CERTIFICATES]
    read = [_certificate(pem) for pem in found] if found else [_der_certificate(data)]
    return [one for one in read if one is not None]


def issuer_urls(certificate: x509.Certificate) -> Iterator[str]:
    """Where it says that the certificate of its issuer can be had."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except (x509.ExtensionNotFound, ValueError):
        return
    for one in access.value:
        place = one.access_location
        if one.access_method == AuthorityInformationAccessOID.CA_ISSUERS and isinstance(
            place, x509.UniformResourceIdentifier
        ):
            yield place.value


def _is_valid(policy: PolicyBuilder, name: str, chain: Sequence[x509.Certificate]) -> bool:
    try:
        verifier = policy.build_server_verifier(x509.DNSName(name))
        verifier.verify(chain[0], list(chain[1:]))
    except (VerificationError, ValueError):
        return False
    return True


def _certificate(pem: bytes) -> x509.Certificate | None:
    with warnings.catch_warnings():
        # Some authorities have oddities that a later version of the library will refuse.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            return x509.load_pem_x509_certificate(pem)
        except ValueError:
            return None


def _der_certificate(data: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(data)
    except ValueError:
        return None
