"""Unisender Go: the MD5 of the body in which the key stands where `auth`, the MD5, stands now."""

import hashlib
import hmac
import re

from adapters.signatures.encodings import octets
from adapters.signatures.proof import Proof
from adapters.signatures.reading import Reading
from domain.webhook_mapping import Signature

_AUTH = re.compile(rb'("auth"\s*:\s*")([0-9A-Fa-f]{32})(")')


def verify_unisender(signature: Signature, reading: Reading) -> Proof | None:
    """Bytes are replaced, not JSON: written again, it would not be the text that was signed."""
    body = reading.request.body
    places = list(_AUTH.finditer(body))
    given = reading.json.get("auth") if isinstance(reading.json, dict) else None
    # The one place has to be the outermost `auth`: else somebody chose what is replaced.
    if len(places) != 1 or not isinstance(given, str) or places[0][2] != octets(given):
        return None
    before, behind = body[: places[0].start(2)], body[places[0].end(2) :]
    for key in map(octets, signature.secrets):
        if not key:
            continue
        expected = hashlib.md5(before + key + behind).hexdigest()  # noqa: S324 - theirs.
        if hmac.compare_digest(expected, given.lower()):
            return Proof(signed=body, body=body)
    return None
