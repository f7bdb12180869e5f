"""The cheapest thing that answers HTTP 200: what throughput is measured against.

It reads just enough of HTTP/1.1 to find where a request ends. Bodies are skipped, not kept, and
must have a Content-Length. aiohttp's server costs several times as much per request, and would be
what is measured.
"""

from __future__ import annotations

import asyncio
import re
from types import TracebackType
from typing import Self, cast

import orjson

from entrypoints.simulated_esp.server import tls_context, url_of
from entrypoints.simulated_esp.settings import EspSettings

_MAX_HEAD = 64 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
_CONTROL = b"/_simulator/"
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LENGTH_REQUIRED = b"HTTP/1.1 411 Length Required\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class SinkCounts:
    """What the sink counts; `bytes` are those of the bodies."""

    __slots__ = ("body_bytes", "connections", "requests")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.requests = 0
        self.body_bytes = 0
        self.connections = 0

    def encoded(self) -> bytes:
        return orjson.dumps(
            {
                "requests": {"requests": self.requests},
                "body_bytes": self.body_bytes,
                "connections": self.connections,
            }
        )


class _Connection(asyncio.Protocol):
    __slots__ = ("_counts", "_head", "_open_ones", "_skip", "_transport")

    def __init__(self, counts: SinkCounts, open_ones: set[_Connection]) -> None:
        self._counts = counts
        self._open_ones = open_ones
        self._head = b""
        self._skip = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do what asyncio's do, and inherit from none of them.
        self._transport = cast("asyncio.WriteTransport", transport)
        self._counts.connections += 1
        self._open_ones.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._open_ones.discard(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        rest = self._head + data if self._head else data
        self._head = b""
        while rest and self._transport is not None:
            if self._skip:
                rest = self._skipped(rest)
                continue
            end = rest.find(b"\r\n\r\n")
            if end < 0:
                self._keep_for_later(rest)
                return
            self._take(rest[: end + 2])
            rest = rest[end + 4 :]

    def _skipped(self, rest: bytes) -> bytes:
        taken = min(self._skip, len(rest))
        self._skip -= taken
        if not self._skip:
            self._write(_OK)
        return rest[taken:]

    def _keep_for_later(self, head: bytes) -> None:
        if len(head) > _MAX_HEAD:
            self._end(_HEAD_TOO_LARGE)
        else:
            self._head = head

    def _take(self, head: bytes) -> None:
        """Take a request's head, and answer where no body follows it."""
        found = _LENGTH.search(head)
        if found is None and _CHUNKED.search(head):
            self._end(_LENGTH_REQUIRED)
        elif head.partition(b" ")[2].startswith(_CONTROL):
            self._control(head)
        else:
            self._counts.requests += 1
            self._skip = int(found[1]) if found else 0
            self._counts.body_bytes += self._skip
            if not self._skip:
                self._write(_OK)
            elif _EXPECT.search(head):
                self._write(_CONTINUE)

    def _control(self, head: bytes) -> None:
        if head.startswith(b"POST /_simulator/reset"):
            self._counts.clear()
        body = self._counts.encoded()
        self._end(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _end(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
            self._transport.close()
            self._transport = None


class Sink:
    """A server that answers every request 200 and counts; also an async context manager.

    Of the control endpoints it has `GET /_simulator/counts` and `POST /_simulator/reset`.
    """

    def __init__(self, settings: EspSettings | None = None) -> None:
        self._settings = settings or EspSettings()
        self._counts = SinkCounts()
        self._open_ones: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return url_of(self._settings, self._port)

    @property
    def requests(self) -> int:
        return self._counts.requests

    async def start(self) -> None:
        """Listen. Raises OSError where the port is taken or a TLS file cannot be used."""
        settings, context = self._settings, tls_context(self._settings)
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self._counts, self._open_ones),
            settings.host,
            settings.port,
            ssl=context,
            backlog=1024,
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and close all connections: there is nothing to finish."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._open_ones.copy():
            connection.close()

    def summary(self) -> str:
        return f"{self._counts.requests} requests, {self._counts.body_bytes} bytes of bodies"
