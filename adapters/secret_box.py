"""Secrets at rest: sealed before they are stored, opened when a request needs them."""

import base64

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# Names what the derived key is for, so that another use of the master key gets another key.
_PURPOSE = b"espalier provider secrets v1"


class SecretBox:
    """Seals and opens bytes with a key derived from the installation's master key.

    `open` raises `cryptography.fernet.InvalidToken` for what another key sealed and for what was
    changed since.
    """

    __slots__ = ("_fernet",)

    def __init__(self, key: bytes) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(key)
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def seal(self, plain: bytes) -> bytes:
        return self._fernet.encrypt(plain)

    def open(self, sealed: bytes) -> bytes:
        return self._fernet.decrypt(sealed)

    def __repr__(self) -> str:
        return "SecretBox()"
