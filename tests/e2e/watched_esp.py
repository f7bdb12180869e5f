"""An ESP that knows what came when and how much of it is in flight, and can hold its answers back.

It costs little enough to be asked thousands of times a second by a benchmark.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple, cast

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_TO = re.compile(rb'"to": ?"([^"]+)"')


class Arrival(NamedTuple):
    """A request that was received whole; `at` is of `time.perf_counter`."""

    at: float
    to: tuple[str, ...]


class WatchedEsp:
    """Answers every request `status` after `delay` seconds, unless it is told to `hold`.

    `most` is how many requests were in flight at once: received, and not answered. It is there to
    be set to 0 now and then.
    """

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.delay = 0.0
        self.arrivals: list[Arrival] = []
        self.in_flight = 0
        self.most = 0
        self._is_holding = False
        self._held: list[_Connection] = []

    def hold(self) -> None:
        """Answers nothing before `release`."""
        self._is_holding = True

    def release(self) -> None:
        self._is_holding = False
        held, self._held = self._held, []
        for connection in held:
            self._answer(connection)

    def recipients(self) -> Iterator[str]:
        """Whose message came, as often as it came."""
        return (to for arrival in self.arrivals for to in arrival.to)

    def take(self, connection: "_Connection", body: bytes) -> None:
        to = tuple(found.decode() for found in _TO.findall(body))
        self.arrivals.append(Arrival(time.perf_counter(), to))
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        connection.is_waiting = True
        if self._is_holding:
            self._held.append(connection)
        elif self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._answer, connection)
        else:
            self._answer(connection)

    def leave(self, connection: "_Connection") -> None:
        """The request of this connection is in flight no more."""
        if connection.is_waiting:
            connection.is_waiting = False
            self.in_flight -= 1

    def _answer(self, connection: "_Connection") -> None:
        # First: the next request may come as soon as the answer is out.
        self.leave(connection)
        connection.write(b"HTTP/1.1 %d Said\r\nContent-Length: 2\r\n\r\n{}" % self.status)


class _Connection(asyncio.Protocol):
    def __init__(self, esp: WatchedEsp) -> None:
        self.is_waiting = False
        self._esp = esp
        self._data = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do what asyncio's do, and inherit from none of them.
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._esp.leave(self)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, rest = self._data.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        # No client of HTTP/1.1 that is worth its name sends another one before it is answered.
        if end and len(rest) >= length:
            self._data = b""
            self._esp.take(self, rest)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


@asynccontextmanager
async def watched_esp() -> AsyncIterator[WatchedEsp]:
    esp = WatchedEsp()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(esp), "127.0.0.1", 0, backlog=1024)
    esp.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/send"
    try:
        yield esp
    finally:
        # Nobody waits for an answer that is held back for ever.
        esp.release()
        server.close()
