"""What belongs to a whole request and to no single message: its URL and its headers."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

from domain.binding import Bindings, bind
from domain.columns import Columns, Values, query_texts, texts
from domain.forms import BoundPart, Open, custom_names, template_parts
from domain.header_syntax import MAX_VALUE_CHARACTERS, unsafe_character
from domain.provider import BasicAuthentication, BodyEncoding, ProviderConfig, RequestType
from domain.replacements import Part

# Beyond it practically every server answers 414, most of them far earlier. Together with the
# headers that a provider may have, it stays below the 1 MiB that libcurl makes a request's head of.
MAX_URL_BYTES = 65_536
_SERVER = re.compile(r"[^/?#]*(?://[^/?#]*)?")
_DOTS = frozenset({".", ".."})
# A character is up to four bytes of UTF-8, and `%F0` is what becomes of a byte.
_MOST_PER_CHARACTER = 12


class Fault(NamedTuple):
    """Why a message fits into no request: a word for programs and a sentence for people."""

    reason: str
    message: str


class Envelope(NamedTuple):
    """A tuple, because neighbours are compared; what it holds may be secret."""

    url: str
    headers: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return "Envelope(***)"

    def with_content_type(self, content_type: str | None) -> "Envelope":
        """The same for a body whose type depends on what is in it."""
        if content_type is None:
            return self
        return Envelope(self.url, (*self.headers, ("Content-Type", content_type)))


class EnvelopeTemplate:
    """The URL and the headers of a campaign's requests; what differs per message is still open.

    `open` are the placeholders that are left and `open_names` the custom ones among them.
    `fault_of_all` is what no message can be sent with, whoever it goes to.
    """

    def __init__(self, config: ProviderConfig, bound: Bindings) -> None:
        headers = [_Line(name, tuple(bind(value, bound))) for name, value in _headers(config)]
        path = _Line("", tuple(_path(config, bound)))
        url = _Line("", (*path.parts, *_query(config, bound)))
        self._url = url.parts
        self._headers = headers
        self._open_headers = [line for line in headers if any(line.open())]
        self._path = path if any(path.open()) else None
        self._url_open = list(url.open())
        self._url_bytes = sum(len(part) for part in url.parts if isinstance(part, str))
        self.open = {part for line in (url, *headers) for part in line.open()}
        self.open_names = {name for part in self.open for name in custom_names(part)}
        self.fault_of_all = self._first_fault(headers, dict.fromkeys(self.open, ""))

    def fault(self, texts: Mapping[Open, str]) -> Fault | None:
        """What speaks against a message for which the open placeholders have these texts."""
        return self.fault_of_all or self._first_fault(self._open_headers, texts)

    def _first_fault(self, headers: Iterable["_Line"], texts: Mapping[Open, str]) -> Fault | None:
        for line in headers:
            fault = _header_fault(line.name, line.filled(texts))
            if fault is not None:
                return fault
        return self._path_fault(texts) or self._url_fault(texts)

    def _path_fault(self, texts: Mapping[Open, str]) -> Fault | None:
        """Clients resolve `.` and `..`, however encoded: the request would go elsewhere."""
        if self._path is None:
            return None
        encoded = {part: quote(texts[part], safe="") for part in self._path.open()}
        path, _, _ = self._path.filled(encoded).partition("?")
        if _DOTS.isdisjoint(path.split("/")):
            return None
        message = "the path of the URL would hold a step `.` or `..`; give another value for it"
        return Fault("URL_PATH_NOT_POSSIBLE", message)

    def _url_fault(self, texts: Mapping[Open, str]) -> Fault | None:
        values = [texts[part] for part in self._url_open]
        # Nearly all are so short that they need not be encoded to know.
        if self._url_bytes + _MOST_PER_CHARACTER * sum(map(len, values)) <= MAX_URL_BYTES:
            return None
        size = self._url_bytes + sum(len(quote(value, safe="")) for value in values)
        if size <= MAX_URL_BYTES:
            return None
        message = (
            f"the URL would have {size:,} bytes, and may have {MAX_URL_BYTES:,}; "
            "shorten the values in its query, or let the provider use POST"
        )
        return Fault("URL_TOO_LONG", message)

    def resolve(self, columns: Columns) -> Sequence[Envelope]:
        """The envelope of each message."""
        if self.open:
            return list(self._envelopes(columns))
        return [next(self._envelopes(columns))] * len(columns)

    def _envelopes(self, columns: Columns) -> Iterator[Envelope]:
        """As many as there are messages, or without end if nothing is open."""
        names = [line.name for line in self._headers]
        values = [_fill(line.parts, columns, texts) for line in self._headers]
        rows: Iterable[tuple[str, ...]] = zip(*values, strict=False) if values else repeat(())
        for url, row in zip(_fill(self._url, columns, query_texts), rows, strict=False):
            yield Envelope(url, tuple(zip(names, row, strict=True)))


class _Line(NamedTuple):
    """A header, or the URL under no name."""

    name: str
    parts: tuple[BoundPart, ...]

    def __repr__(self) -> str:
        return f"_Line({self.name!r}, ***)"

    def open(self) -> Iterator[Open]:
        return (part for part in self.parts if not isinstance(part, str))

    def filled(self, texts: Mapping[Open, str]) -> str:
        return "".join(part if isinstance(part, str) else texts[part] for part in self.parts)


def _header_fault(name: str, value: str) -> Fault | None:
    if len(value) > MAX_VALUE_CHARACTERS:
        message = (
            f"header {name} would have {len(value):,} characters, and may have "
            f"{MAX_VALUE_CHARACTERS:,}; shorten the values in it"
        )
        return Fault("HEADER_TOO_LONG", message)
    unsafe = unsafe_character(value)
    if unsafe is None:
        return None
    message = (
        f"header {name} would hold the character {unsafe!r}; "
        "a header carries visible ASCII characters, spaces and tabs only"
    )
    return Fault("HEADER_VALUE_NOT_POSSIBLE", message)


_Encode: TypeAlias = Callable[[Values], list[str]]


def _fill(line: tuple[BoundPart, ...], columns: Columns, encode: _Encode) -> Iterator[str]:
    pieces = [
        repeat(part) if isinstance(part, str) else columns.column(part, encode)
        # The empty text in front keeps an empty line from being no line.
        for part in ("", *line)
    ]
    return map("".join, zip(*pieces, strict=False))


def _headers(config: ProviderConfig) -> Iterator[tuple[str, tuple[Part, ...]]]:
    secrets = _secrets(config)
    given = {header.name.lower() for header in config.headers}
    for header in config.headers:
        yield header.name, template_parts(header.value, secrets)
    content_type = _CONTENT_TYPES.get(config.body_encoding)
    posts = config.request_type is RequestType.POST
    if posts and content_type is not None and "content-type" not in given:
        yield "Content-Type", (content_type,)
    if config.basic is not None:
        yield "Authorization", (_basic(config.basic),)


# The one of multipart names the boundary, which depends on what stands between.
_CONTENT_TYPES = {
    BodyEncoding.JSON: "application/json",
    BodyEncoding.FORM: "application/x-www-form-urlencoded",
}


def _basic(credentials: BasicAuthentication) -> str:
    pair = f"{credentials.username}:{credentials.password}"
    return "Basic " + b64encode(pair.encode()).decode()


def _secrets(config: ProviderConfig) -> Mapping[str, str]:
    return {secret.name: secret.value for secret in config.secrets}


def split_endpoint(endpoint: str) -> tuple[str, str]:
    """Scheme, host and port, where nothing is ever replaced; and the path and query after them."""
    matched = _SERVER.match(endpoint)
    server = matched[0] if matched else ""
    return server, endpoint.removeprefix(server)


def _path(config: ProviderConfig, bound: Bindings) -> Iterator[BoundPart]:
    """The endpoint, which may have a query of its own; what is written in it is encoded already."""
    server, rest = split_endpoint(config.http_endpoint)
    yield server
    secrets = {name: quote(value, safe="") for name, value in _secrets(config).items()}
    for part in template_parts(rest, secrets):
        yield from (part,) if isinstance(part, str) else _quoted(bind([part], bound))


def _query(config: ProviderConfig, bound: Bindings) -> Iterator[BoundPart]:
    endpoint, secrets = config.http_endpoint, _secrets(config)
    joint = "?" if "?" not in endpoint else "" if endpoint[-1] in "?&" else "&"
    for parameter in config.query_parameters:
        yield f"{joint}{quote(parameter.name, safe='')}="
        yield from _quoted(bind(template_parts(parameter.value, secrets), bound))
        joint = "&"


def _quoted(parts: Iterable[BoundPart]) -> Iterator[BoundPart]:
    """Open parts are encoded when they are filled in."""
    return (quote(part, safe="") if isinstance(part, str) else part for part in parts)
