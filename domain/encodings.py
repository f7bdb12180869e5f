"""The encodings of a body beside JSON: the same template, as the fields of a form.

The body is made as JSON and read again, so that a field's value is data like any other: a string
is its text, a number or a boolean as JSON writes it, null is empty, an array is the field once for
each element, and an object is its JSON.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple, TypeAlias

from domain.provider import BodyEncoding


class Encoded(NamedTuple):
    """A body; `content_type` where it depends on what is in it."""

    body: bytes
    content_type: str | None = None


Encode: TypeAlias = Callable[[bytes], Encoded]
_Field: TypeAlias = tuple[str, str]

# application/x-www-form-urlencoded, by the URL standard: these stay, and a blank becomes a plus.
_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-._")
# Keyed by byte: a text of UTF-8 bytes read as Latin-1 is translated in one call of C.
_PERCENT: Mapping[int, str] = {
    byte: "+" if byte == 0x20 else f"%{byte:02X}" for byte in range(256) if byte not in _KEPT
}


def encoder(encoding: BodyEncoding) -> Encode | None:
    """What turns the JSON of a body into what is sent; None where that is the JSON itself."""
    return _ENCODERS.get(encoding)


def form_encoded(text: str) -> str:
    """A name or a value as a form-urlencoded body has it."""
    return text.encode().decode("latin-1").translate(_PERCENT)


def quoted_name(text: str) -> str:
    """The name of a field as a multipart body has it."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _form(body: bytes) -> Encoded:
    pairs = (f"{form_encoded(name)}={form_encoded(value)}" for name, value in _fields(body))
    return Encoded("&".join(pairs).encode())


def _multipart(body: bytes) -> Encoded:
    """RFC 7578. The boundary is made from the fields, so that a repeat is byte-identical."""
    # Whoever would put the boundary into a value would change the boundary by it.
    boundary = f"espalier-{sha256(body).hexdigest()[:32]}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{quoted_name(name)}"'
        f"\r\n\r\n{value}\r\n"
        for name, value in _fields(body)
    ]
    encoded = "".join([*parts, f"--{boundary}--\r\n"]).encode()
    return Encoded(encoded, f"multipart/form-data; boundary={boundary}")


def _fields(body: bytes) -> Iterator[_Field]:
    # Numbers stay as they were written.
    for name, value in json.loads(body, parse_int=_Number, parse_float=_Number).items():
        for each in value if isinstance(value, list) else [value]:
            yield name, _text(each)


class _Number(str):
    """The digits of a number."""


def _text(value: object) -> str:
    match value:
        case str():
            return str(value)
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _:
            return _json(value)


def _json(value: object) -> str:
    match value:
        case _Number():
            return str(value)
        case dict():
            return "{" + ",".join(f"{_json(k)}:{_json(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ",".join(map(_json, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


_ENCODERS: Mapping[BodyEncoding, Encode] = {
    BodyEncoding.FORM: _form,
    BodyEncoding.MULTIPART: _multipart,
}
