"""The body of a webhook as JSON or as fields. What cannot be read raises BadCallback."""

import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson

from domain.callback import MAX_BODY_BYTES, BadCallback, CallbackFault
from domain.webhook_mapping import WebhookFormat
from domain.webhook_request import WebhookRequest

# An ESP's largest batch; each line and field costs some hundred bytes of memory besides itself.
MAX_LINES = 10_000
_MAX_FIELDS = 1_000
_GZIP = b"\x1f\x8b"
_BOUNDARY = re.compile(r'boundary="?([^";\s]{1,70})"?', re.IGNORECASE)
_NAME = re.compile(rb'\bname="?([^";\r\n]{1,200})"?', re.IGNORECASE)


class Body(NamedTuple):
    """`json` is None and `form` empty where the format has none."""

    json: Any
    form: Mapping[str, str]


def read_body(request: WebhookRequest, format: WebhookFormat) -> Body:
    """Raises BadCallback."""
    if format is WebhookFormat.QUERY:
        return Body(None, {})
    body = _unzipped(request.body)
    match format:
        case WebhookFormat.JSON:
            return Body(_json(body, "body"), {})
        case WebhookFormat.JSON_LINES:
            return Body(_lines(body), {})
        case WebhookFormat.FORM:
            return Body(None, _form(body, request.headers.get("content-type", "")))


def bad_body(problem: str) -> BadCallback:
    return BadCallback([CallbackFault(path="body", problem=problem)])


def _unzipped(body: bytes) -> bytes:
    """Also where no header says that it is gzip; never more than the limit and a little."""
    if not body.startswith(_GZIP):
        return body
    inflating = zlib.decompressobj(wbits=31)
    try:
        plain = inflating.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise bad_body("begins as gzip and is none") from error
    if len(plain) > MAX_BODY_BYTES:
        raise bad_body(f"is longer than {MAX_BODY_BYTES} bytes once it is unpacked")
    if not inflating.eof:
        raise bad_body("is gzip that breaks off")
    return plain


def _json(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise bad_body(f"is not JSON in UTF-8 ({what}: {place})") from error


def _lines(body: bytes) -> list[Any]:
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > MAX_LINES:
        raise bad_body(f"has more than {MAX_LINES} lines; send fewer events at a time")
    return [_json(line, f"line {number} of them") for number, line in enumerate(lines, start=1)]


def _form(body: bytes, content_type: str) -> Mapping[str, str]:
    boundary = _BOUNDARY.search(content_type)
    if content_type.strip().lower().startswith("multipart/") and boundary is not None:
        return _multipart(body, boundary[1].encode())
    text = body.decode(errors="replace")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise bad_body(f"has more than {_MAX_FIELDS} fields") from error
    return first_of_each(pairs)


def _multipart(body: bytes, boundary: bytes) -> Mapping[str, str]:
    delimiter = b"\r\n--" + boundary
    parts = (b"\r\n" + body).split(delimiter, _MAX_FIELDS + 2)
    if len(parts) < 2:
        raise bad_body("holds no part of what its Content-Type says is multipart")
    if len(parts) > _MAX_FIELDS + 2:
        raise bad_body(f"has more than {_MAX_FIELDS} fields")
    return first_of_each(filter(None, map(_part, parts[1:])))


def _part(part: bytes) -> tuple[str, str] | None:
    """Name and value; None for what stands behind the last part, and for a part without a name."""
    head, found, content = part.partition(b"\r\n\r\n")
    name = _NAME.search(head)
    if not found or name is None:
        return None
    return name[1].decode(errors="replace"), content.decode(errors="replace")


def first_of_each(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Of a repeated name the first value counts."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found
