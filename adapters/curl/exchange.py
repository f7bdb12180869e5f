"""A request on its way through the transport, and the lines that libcurl is given for it."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import overload

from domain.http import HttpRequest, Landed


class Exchange:
    """A request, and who is told of its end.

    `is_wanted` is taken back by a sender that waits no longer: it need not begin any more.
    """

    __slots__ = ("is_wanted", "landed", "request", "timeout_seconds")

    def __init__(
        self, request: HttpRequest, timeout_seconds: float, landed: Callable[[Landed], None]
    ) -> None:
        self.request = request
        self.timeout_seconds = timeout_seconds
        self.landed = landed
        self.is_wanted = True


def header_lines(request: HttpRequest) -> list[str]:
    """What CURLOPT_HTTPHEADER takes: `Name: value` to send, `Name;` to send it empty, `Name:` to
    leave out what libcurl would add by itself.
    """
    lines = [
        f"{name}: {value}" if value and not value.isspace() else f"{name};"
        for name, value in request.headers
    ]
    if request.body is not None:
        lines += _left_out(tuple([name for name, _ in request.headers]))
    return lines


@lru_cache(maxsize=1024)
def _left_out(names: tuple[str, ...]) -> Sequence[str]:
    """What libcurl would add to a body of its own accord, beside headers of these names."""
    given = {name.lower() for name in names}
    # It would wait for a `100 Continue` before it sends a longer body, and send the request again
    # after a 417; and it would say that the body is a form.
    return [f"{name}:" for name in ("Expect", "Content-Type") if name.lower() not in given]


class Headers(Sequence[tuple[str, str]]):
    """The headers of an answer, made out of their lines once somebody looks at them.

    Of a message that the ESP took nobody does, and a million of them are sent.
    """

    __slots__ = ("_lines", "_read")

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = tuple(lines)
        self._read: tuple[tuple[str, str], ...] | None = None

    def __len__(self) -> int:
        return len(self._headers())

    @overload
    def __getitem__(self, index: int) -> tuple[str, str]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[str, str]]: ...

    def __getitem__(self, index: int | slice) -> tuple[str, str] | Sequence[tuple[str, str]]:
        return self._headers()[index]

    def _headers(self) -> tuple[tuple[str, str], ...]:
        if self._read is None:
            self._read = _parsed(self._lines) or ()
        return self._read


def read_headers(lines: Sequence[bytes]) -> Headers | None:
    """None where the answer broke off within its headers, which libcurl takes for an answer."""
    if lines[-1] not in _BLANK and _parsed(lines) is None:
        return None
    return Headers(lines)


_BLANK = (b"\r\n", b"\n")


def _parsed(lines: Iterable[bytes]) -> tuple[tuple[str, str], ...] | None:
    """The headers of the last header block; before it stand those of interim answers.

    Behind its blank line only trailers follow, which are left out. Without one the result is None.
    """
    headers: list[tuple[str, str]] = []
    in_block = False
    for line in b"".join(lines).decode("latin-1").split("\n")[:-1]:
        name, colon, value = line.partition(":")
        if line.startswith("HTTP/"):
            headers, in_block = [], True
        elif not colon:
            in_block = False
        elif in_block:
            headers.append((name, value.strip()))
    return None if in_block else tuple(headers)
