"""What makes two sends of one request id the same send."""

import hashlib
from collections.abc import Sequence

import orjson

from domain.campaign import CampaignSpec, Recipient


class Fingerprint:
    """A digest of a campaign and its recipients in their order, however they were cut.

    Numbers that compare equal count as equal, and the order of an object's keys as nothing.
    """

    def __init__(self, spec: CampaignSpec) -> None:
        self._digest = hashlib.blake2b(digest_size=32, person=b"espalier-send")
        self._digest.update(orjson.dumps(spec, option=orjson.OPT_SORT_KEYS))

    def add(self, recipients: Sequence[Recipient]) -> None:
        for recipient in recipients:
            line = orjson.dumps(tuple(recipient), option=orjson.OPT_SORT_KEYS)
            # The length before each line: no two lists of recipients have the same bytes.
            self._digest.update(len(line).to_bytes(4, "big"))
            self._digest.update(line)

    def digest(self) -> bytes:
        """32 bytes."""
        return self._digest.digest()
