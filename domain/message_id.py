"""What `$$MessageID` becomes: a token that names one message and that nobody else can make.

    byte 0       kind: campaign, test or preview
    bytes 1-5    number of the campaign or of the test, big-endian
    bytes 6-9    ordinal of the recipient within the campaign, big-endian
    bytes 10-25  keyed BLAKE2b over the ten bytes before

written in lower-case hex: 52 characters of [0-9a-f]. Hex and not base64, because there are ESPs
that change the case of what a metadata field holds, and some that keep 64 characters at most; it is
read in either case. The token follows from campaign and recipient alone, so a retry repeats it; it
holds no address.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

TOKEN_LENGTH = 52
MAX_NUMBER = 2**40 - 1
MAX_ORDINAL = 2**32 - 1

_HEAD_BYTES = 10
_SIGNATURE_BYTES = 16
_PERSON = b"espalier-mid"
# Below 16 bytes a key can be searched for; above 64 BLAKE2b takes none.
_KEY_BYTES = range(16, 65)
_ORDINAL = struct.Struct(">I")


class MessageKind(IntEnum):
    """Where a message comes from; the numbers stand in tokens and in the database, for good."""

    CAMPAIGN = 1
    TEST = 2
    PREVIEW = 3


_KINDS = {int(kind): kind for kind in MessageKind}


class MessageRef(NamedTuple):
    """One message: `number` counts campaigns or tests by `kind`, `ordinal` counts recipients.

    A tuple, because one is made for every event of a callback.
    """

    kind: MessageKind
    number: int
    ordinal: int


class MessageIds:
    """Makes and reads tokens under one secret key of 16 to 64 bytes.

    Numbers beyond MAX_NUMBER or MAX_ORDINAL, and negative ones, raise OverflowError or
    struct.error: they are a fault of the program, never of a caller.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) not in _KEY_BYTES:
            raise ValueError(f"the key of message ids has {len(key)} bytes; give it 16 to 64")
        self._keyed = hashlib.blake2b(key=key, digest_size=_SIGNATURE_BYTES, person=_PERSON)

    def __repr__(self) -> str:
        return "MessageIds(key=***)"

    def campaign_message(self, number: int, ordinal: int) -> str:
        return self.token(MessageRef(MessageKind.CAMPAIGN, number, ordinal))

    def campaign_messages(self, number: int, ordinals: Iterable[int]) -> list[str]:
        """The tokens of many recipients of one campaign, in the order given."""
        start = _start(MessageKind.CAMPAIGN, number)
        # The campaign's part is hashed once; each message then costs a copy and four more bytes.
        keyed = self._keyed.copy()
        keyed.update(start)
        prefix, copy, pack = start.hex(), keyed.copy, _ORDINAL.pack
        tokens: list[str] = []
        for ordinal in ordinals:
            packed = pack(ordinal)
            signature = copy()
            signature.update(packed)
            tokens.append(prefix + (packed + signature.digest()).hex())
        return tokens

    def test_message(self, number: int) -> str:
        return self.token(MessageRef(MessageKind.TEST, number, 0))

    def preview_message(self, ordinal: int) -> str:
        """A token that looks as the real one will, and that attributes no callback."""
        return self.token(MessageRef(MessageKind.PREVIEW, 0, ordinal))

    def token(self, ref: MessageRef) -> str:
        head = _start(ref.kind, ref.number) + _ORDINAL.pack(ref.ordinal)
        return (head + self._signature(head)).hex()

    def read(self, text: str) -> MessageRef | None:
        """The message that `text` names, or None for whatever this key did not make."""
        raw = _from_hex(text)
        if raw is None:
            return None
        head = raw[:_HEAD_BYTES]
        if not hmac.compare_digest(raw[_HEAD_BYTES:], self._signature(head)):
            return None
        ordinal: int = _ORDINAL.unpack_from(head, 6)[0]
        return MessageRef(_KINDS[head[0]], int.from_bytes(head[1:6], "big"), ordinal)

    def digest(self, name: bytes) -> bytes:
        """16 bytes that stand for `name` in this installation and in no other.

        `name` begins with a letter, and so is never the head of a token.
        """
        return self._signature(name)

    def _signature(self, head: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(head)
        return keyed.digest()


def _start(kind: MessageKind, number: int) -> bytes:
    return bytes((kind,)) + number.to_bytes(5, "big")


def _from_hex(text: str) -> bytes | None:
    if len(text) != TOKEN_LENGTH:
        return None
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return None
    # fromhex also takes spaces; one message has one token, in whatever case it comes back.
    return raw if raw.hex() == text.lower() else None
