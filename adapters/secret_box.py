"""Secrets at rest: sealed before they are stored, opened when a request needs them."""

import base64

from cryptography.fernet import Fernet


class SecretBox:
    """Seals and opens bytes with a key of 32 bytes that serves nothing else.

    `open` raises `cryptography.fernet.InvalidToken` for what another key sealed and for what was
    changed since.
    """

    __slots__ = ("_fernet",)

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, plain: bytes) -> bytes:
        return self._fernet.encrypt(plain)

    def open(self, sealed: bytes) -> bytes:
        return self._fernet.decrypt(sealed)

    def __repr__(self) -> str:
        return "SecretBox()"
