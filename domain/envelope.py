"""What belongs to a whole request and to no single message: its URL and its headers."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

from domain.binding import Bindings, bind
from domain.columns import Columns, Values, query_texts, texts
from domain.provider import BasicAuthentication, ProviderConfig, RequestType
from domain.replacements import Part, Placeholder, parts

# RFC 9110 lets bytes above 0x7F pass but does not say what they mean: one ESP reads Latin-1 and
# another UTF-8. A name that arrives mangled is worse than a message that says why it stayed.
_UNSAFE = re.compile(r"[^\t\x20-\x7e]")


class Envelope(NamedTuple):
    """A tuple, because neighbours are compared; what it holds may be secret."""

    url: str
    headers: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return "Envelope(***)"


def header_fault(header: str, text: str) -> str | None:
    """The sentence for a text that HTTP cannot carry in a header, or None."""
    unsafe = _UNSAFE.search(text)
    if unsafe is None:
        return None
    return (
        f"header {header} would hold the character {unsafe[0]!r}; "
        "a header carries visible ASCII characters, spaces and tabs only"
    )


class EnvelopeTemplate:
    """The URL and the headers of a campaign's requests; what differs per message is still open.

    `open_headers` are the placeholders left in headers, each behind its header's name, and
    `open_names` those left anywhere. `fault` is the sentence for a header that no request can
    carry, whoever it goes to.
    """

    def __init__(self, config: ProviderConfig, bound: Bindings) -> None:
        headers = [_Line(name, tuple(bind(value, bound))) for name, value in _headers(config)]
        url = _Line("", tuple(_url(config, bound)))
        self._url = url.parts
        self._headers = headers
        self.open_headers = [(line.name, part) for line in headers for part in line.open_names()]
        self.open_names = {name for line in (url, *headers) for name in line.open_names()}
        self.fault = next((fault for line in headers for fault in line.faults()), None)

    def resolve(self, columns: Columns) -> Sequence[Envelope]:
        """The envelope of each message."""
        if self.open_names:
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
    parts: tuple[Part, ...]

    def __repr__(self) -> str:
        return f"_Line({self.name!r}, ***)"

    def open_names(self) -> Iterator[str]:
        return (part.name for part in self.parts if isinstance(part, Placeholder))

    def faults(self) -> Iterator[str]:
        literals = (part for part in self.parts if isinstance(part, str))
        return filter(None, (header_fault(self.name, literal) for literal in literals))


_Encode: TypeAlias = Callable[[Values], list[str]]


def _fill(line: tuple[Part, ...], columns: Columns, encode: _Encode) -> Iterator[str]:
    pieces = [
        repeat(part) if isinstance(part, str) else columns.column(part.name, encode)
        # The empty text in front keeps an empty line from being no line.
        for part in ("", *line)
    ]
    return map("".join, zip(*pieces, strict=False))


def _headers(config: ProviderConfig) -> Iterator[tuple[str, tuple[Part, ...]]]:
    given = {header.name.lower() for header in config.headers}
    for header in config.headers:
        yield header.name, parts(header.value)
    if config.request_type is RequestType.POST and "content-type" not in given:
        yield "Content-Type", ("application/json",)
    if config.basic is not None:
        yield "Authorization", (_basic(config.basic),)


def _basic(credentials: BasicAuthentication) -> str:
    pair = f"{credentials.username}:{credentials.password}"
    return "Basic " + b64encode(pair.encode()).decode()


def _url(config: ProviderConfig, bound: Bindings) -> Iterator[Part]:
    endpoint = config.http_endpoint
    yield endpoint
    joint = "?" if "?" not in endpoint else "" if endpoint[-1] in "?&" else "&"
    for parameter in config.query_parameters:
        yield f"{joint}{quote(parameter.name, safe='')}="
        for part in bind(parts(parameter.value), bound):
            yield quote(part, safe="") if isinstance(part, str) else part
        joint = "&"
