"""What is signed, and the signatures that came with it, as a configuration describes them."""

from collections.abc import Iterator

from adapters.signatures.encodings import octets
from adapters.signatures.reading import Reading
from domain.webhook_mapping import Signature, SignaturePart

# While an ESP changes its key there are two; each that is looked at costs a calculation.
_MOST_SIGNATURES = 8


def signed_bytes(signature: Signature, reading: Reading) -> bytes | None:
    """The parts one behind the other; None where one of them is missing.

    Without parts it is the timestamp, where there is one, and the body.
    """
    pieces = [_piece(part, reading) for part in signature.signed or _usual(signature)]
    return None if None in pieces else b"".join(piece for piece in pieces if piece is not None)


def given_signatures(signature: Signature, reading: Reading) -> Iterator[str]:
    """Those with the prefix, which is taken off; what is of another kind is passed over."""
    count = 0
    for value in _values(signature, reading):
        for one in value.split(signature.separator) if signature.separator else (value,):
            stripped = one.strip()
            if not stripped.startswith(signature.prefix):
                continue
            count += 1
            if count > _MOST_SIGNATURES:
                return
            yield stripped.removeprefix(signature.prefix)


def _values(signature: Signature, reading: Reading) -> Iterator[str]:
    if signature.signature:
        yield from reading.texts(signature.signature)
    elif signature.header:
        yield reading.header(signature.header) or ""


def _piece(part: SignaturePart, reading: Reading) -> bytes | None:
    if part.body:
        return reading.request.body
    text = reading.text(part.at) if part.at else part.literal
    return None if text is None else octets(text)


def _usual(signature: Signature) -> tuple[SignaturePart, ...]:
    body = SignaturePart(body=True)
    return (SignaturePart(at=signature.timestamp), body) if signature.timestamp else (body,)
