"""A signature that holds: what it says, and what of it is to be remembered.

What is remembered is the *use* of a signature: its nonce or, without one, all that is signed along
with the timestamp; and the body that came with it. So an ESP that sends the very request once more,
because our answer was lost, is known by it and not refused, while whoever puts another body under
an overheard signature (Mailgun's does not cover the body) is.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters.signatures.encodings import octets
from adapters.signatures.reading import Reading
from domain.webhook_mapping import Signature
from services.ports import Trace

# Where nothing says how old a request is, its nonce is known for so long, in seconds.
_NONCE_SECONDS = 30 * 86_400.0
# No time in seconds is that late: it is in milliseconds, as some ESPs have it.
_LEAST_MILLISECONDS = 1e11
_LONGEST_NUMBER = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """`signed` is what was signed, and `body` what has to be equal for two requests to be one.

    `timestamp` (epoch seconds) and `nonce` are set by schemes that have their own. `late_seconds`
    is for how much longer the sender repeats a request with its first timestamp.
    """

    signed: bytes
    body: bytes
    timestamp: float | None = None
    nonce: str | None = None
    late_seconds: float = 0.0


def traces(
    signature: Signature, reading: Reading, proof: Proof, *, now: float
) -> Sequence[Trace] | None:
    """What is to be remembered of it, which may be nothing; None where it is not of this time."""
    timestamp, nonce = proof.timestamp, proof.nonce
    if signature.timestamp:
        timestamp = epoch_seconds(reading.text(signature.timestamp))
        if timestamp is None:
            return None
    if signature.nonce:
        nonce = reading.text(signature.nonce)
    if nonce == "" or (signature.nonce and nonce is None):
        return None
    tolerance = signature.tolerance_seconds
    if timestamp is not None and not (
        -tolerance <= now - timestamp <= tolerance + proof.late_seconds
    ):
        return None
    if timestamp is None and nonce is None:
        return ()
    use = _use(signature, reading, proof.signed if nonce is None else octets(nonce))
    # Twice: a timestamp may lie ahead by the tolerance, and our clock may be put back a little.
    keep = _NONCE_SECONDS if timestamp is None else 2 * tolerance + proof.late_seconds
    return (Trace(use=use, body=hashlib.sha256(proof.body).digest(), until=now + keep),)


def epoch_seconds(text: str | None) -> float | None:
    """Seconds, or milliseconds where the number is too great for seconds; None for no number."""
    if text is None or len(text) > _LONGEST_NUMBER:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number / 1000 if number >= _LEAST_MILLISECONDS else number


def _use(signature: Signature, reading: Reading, what: bytes | None) -> bytes:
    """A digest; each provider has uses of its own, since the path holds its token."""
    path = octets(_path(reading.request.url)) or b""
    digest = hashlib.sha256(f"{signature.scheme}\0{len(path)}\0".encode())
    digest.update(path)
    digest.update(what or b"")
    return digest.digest()


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return url
