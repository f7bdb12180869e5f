"""One HTTP request, its answer, and the two ways to get none. Values only; transports do the work.

TransportError
├── NotSent        no byte of the request reached the server's application: send it again
└── AnswerLost     the server may have acted on it, and nobody here can know: in doubt

Outside of it stands TransportBroken, a fault of the program that says nothing about the request.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from domain.header_syntax import CONNECTION_HEADERS, is_name, unsafe_character
from domain.provider import AwsSignature

# No user information: a client would make credentials of it. No blank and nothing outside ASCII.
_ADDRESS = re.compile(r"https?://(?P<server>[\w.:\[\]%~!$&'()*+,;=-]+)(?:[/#][!-~]*)?", re.I | re.A)
_NOT_IN_QUERY = re.compile(r"[^!-~]")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HttpRequest:
    """What is sent, complete but for the headers that belong to the connection.

    `method` is GET or POST and `url` is percent-encoded already. With `aws_signature` the headers
    of the signature are added when it is sent, since they hold the time. As text it is no more than
    the method and the server: path, query, headers and body may all hold keys, or what somebody
    writes to somebody.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    aws_signature: AwsSignature | None = None

    @property
    def server(self) -> str:
        """Host and port as the URL has them, for messages: `api.example.com`, `[::1]:8080`."""
        matched = _ADDRESS.fullmatch(self.url.partition("?")[0])
        return matched["server"] if matched else "a URL that is not valid"

    def __repr__(self) -> str:
        return f"<HttpRequest {self.method} to {self.server}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """The final answer of a server; interim answers (1xx) are not kept.

    `headers` stand as they came, in their order and with repeats. `body` is as sent, at most what
    the transport was told to keep, and `truncated` says that there was more. `elapsed_seconds`
    counts from the moment that the request was taken in hand.
    """

    status: int
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    truncated: bool = False
    elapsed_seconds: float = 0.0

    def header(self, name: str) -> str | None:
        """The first header of this name, whatever its case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


class TransportError(Exception):
    """A request ended without an answer. `reason` is for people and holds no secret."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class NotSent(TransportError):
    """It is certain that no byte of the request reached the server's application."""


class AnswerLost(TransportError):
    """Bytes of the request may have left, and no complete answer came back."""


class TransportBroken(Exception):
    """The transport has come to its end by a fault of its own, and this process sends no more.

    It is no TransportError, since nothing follows from it for a message: whoever takes it for an
    attempt that failed would use up the attempts of all messages there are. Let it end the
    process, so that a new one takes over. No byte of the request has left.
    """


Landed: TypeAlias = HttpResponse | TransportError | TransportBroken
"""How a request has ended."""


def check(request: HttpRequest) -> None:
    """Raise ValueError for a request that HTTP cannot carry as it stands.

    Every transport asks before it does anything, so that no value of a header can end its line and
    begin another. The sentence names the header and never its value, which may be a secret.
    """
    if request.method not in ("GET", "POST"):
        raise ValueError(f"the method is GET or POST, not {request.method!r}")
    if request.method == "GET" and request.body is not None:
        raise ValueError("a GET request has no body; put the values into the query, or use POST")
    address, _, query = request.url.partition("?")
    if not _is_address(address) or _NOT_IN_QUERY.search(query):
        raise ValueError(
            "the URL must start with http:// or https:// and a host without credentials, and be "
            "percent-encoded"
        )
    # One search over all values is several times cheaper than one for each, and this is run for
    # every request; only a faulty one is looked at header by header.
    if unsafe_character("".join([value for _, value in request.headers])) is not None:
        raise ValueError(_value_fault(request.headers))
    fault = _names_fault(tuple([name for name, _ in request.headers]))
    if fault is not None:
        raise ValueError(fault)


# The same few addresses and names stand in every request; what differs is in the query.
@lru_cache(maxsize=1024)
def _is_address(text: str) -> bool:
    return _ADDRESS.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _names_fault(names: tuple[str, ...]) -> str | None:
    return next((fault for name in names if (fault := _name_fault(name)) is not None), None)


def _name_fault(name: str) -> str | None:
    if not is_name(name):
        return f"{name!r} is no header name"
    if name.lower() in CONNECTION_HEADERS:
        return f"header {name} is made by the transport; leave it out"
    return None


def _value_fault(headers: Iterable[tuple[str, str]]) -> str:
    name = next(name for name, value in headers if unsafe_character(value) is not None)
    return (
        f"the value of header {name} holds a character that HTTP cannot carry; "
        "visible ASCII characters, spaces and tabs are possible"
    )
