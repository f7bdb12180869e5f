"""Text that came with a request, as the bytes that it stands for; None where it stands for none."""

import base64
import binascii

from domain.webhook_mapping import SignatureEncoding


def octets(text: str) -> bytes | None:
    """The bytes that were decoded to `text`: of a header also those that are no UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None


def decoded(text: str, encoding: SignatureEncoding) -> bytes | None:
    return from_hex(text) if encoding is SignatureEncoding.HEX else from_base64(text)


def from_hex(text: str) -> bytes | None:
    try:
        return binascii.unhexlify(text)
    except ValueError:
        return None


def from_base64(text: str) -> bytes | None:
    """Of either alphabet, with or without the padding at the end."""
    usual = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(usual + "=" * (-len(usual) % 4), validate=True)
    except ValueError:
        return None
