"""A raw HTTP server on a free port, which answers with any bytes or none, and counts."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as the server read it. `connection` counts connections, `turn` requests on one."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int
    turn: int

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


Behaviour: TypeAlias = Callable[[Received, Connection], Awaitable[None]]
"""What is done about one request. Unless it closes the connection the next one is read."""


def answering(answer: bytes) -> Behaviour:
    async def answer_it(_: Received, connection: Connection) -> None:
        connection.writer.write(answer)
        await connection.writer.drain()

    return answer_it


def breaking_off_after(part: bytes) -> Behaviour:
    async def break_off(_: Received, connection: Connection) -> None:
        connection.writer.write(part)
        connection.writer.close()

    return break_off


async def say_nothing(_: Received, connection: Connection) -> None:
    """Wait without an answer until the client ends the connection."""
    await connection.reader.read()
    connection.writer.close()


@dataclass(slots=True)
class RawServer:
    """`behaviour` may be changed between requests."""

    behaviour: Behaviour = field(default_factory=lambda: answering(OK))
    scheme: str = "http"
    port: int = 0
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0
    most_open_connections: int = 0
    _server: asyncio.Server | None = None
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    def url(self, path: str = "/send", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self.scheme = "https" if tls else "http"
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop_listening(self) -> None:
        """Refuse new connections; those that are open stay."""
        if self._server is not None:
            self._server.close()

    async def stop(self) -> None:
        self.stop_listening()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(Connection(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection) -> None:
        self.connections += 1
        self.open_connections += 1
        self.most_open_connections = max(self.most_open_connections, self.open_connections)
        # The client goes away in the middle, as several tests want it to, or the test is over.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._converse(connection, self.connections)
        connection.writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await connection.writer.wait_closed()
        self.open_connections -= 1

    async def _converse(self, connection: Connection, number: int) -> None:
        turn = 0
        while not connection.writer.is_closing():
            turn += 1
            request = await _read(connection.reader, number, turn)
            self.received.append(request)
            await self.behaviour(request, connection)


@asynccontextmanager
async def raw_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    server = RawServer()
    await server.start(tls)
    try:
        yield server
    finally:
        await server.stop()


async def _read(reader: asyncio.StreamReader, connection: int, turn: int) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.removesuffix("\r\n\r\n").split("\r\n")
    headers = tuple((name, value.strip()) for name, _, value in (h.partition(":") for h in rest))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    body = await reader.readexactly(length)
    return Received(line=line, headers=headers, body=body, connection=connection, turn=turn)
