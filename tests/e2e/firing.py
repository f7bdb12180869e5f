"""An ESP that reports what became of its messages: every request again until it is answered 200."""

import asyncio
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import orjson

_STATUS = re.compile(rb"HTTP/1\.1 (\d+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)
# Seconds until a service that is not there is tried again.
_RECONNECT_SECONDS = 0.02


class Answer(Exception):
    """A callback was answered with something else than 200 or 503."""


@dataclass
class Fire:
    """Posts `bodies` to a callback URL over so many connections, each as often as it takes.

    `acknowledged` counts the requests that were answered 200, `events` what was said to be
    processed in them. `statuses` counts all answers, `broken` the requests that got none.
    """

    url: str
    bodies: Iterable[bytes]
    connections: int = 32
    acknowledged: int = 0
    events: int = 0
    broken: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    _again: deque[bytes] = field(default_factory=deque)

    async def run(self) -> None:
        """Returns once every request was answered 200."""
        bodies = iter(self.bodies)
        async with asyncio.TaskGroup() as group:
            for _ in range(self.connections):
                group.create_task(self._post_in_turn(bodies))

    def has(self, acknowledged: int) -> bool:
        return self.acknowledged >= acknowledged

    async def _post_in_turn(self, bodies: Iterator[bytes]) -> None:
        connection = _Connection(self.url)
        body = self._next(bodies)
        while body is not None:
            try:
                status, head, said = await connection.post(body)
            except (OSError, asyncio.IncompleteReadError):
                self.broken += 1
                self._again.append(body)
                connection.close()
                await asyncio.sleep(_RECONNECT_SECONDS)
            else:
                await self._take(body, status, head, said)
            body = self._next(bodies)
        connection.close()

    def _next(self, bodies: Iterator[bytes]) -> bytes | None:
        return self._again.popleft() if self._again else next(bodies, None)

    async def _take(self, body: bytes, status: int, head: bytes, said: bytes) -> None:
        self.statuses[status] += 1
        if status == 200:
            self.acknowledged += 1
            self.events += orjson.loads(said)["PROCESSED_EVENTS"]
        elif status == 503 and (found := _RETRY_AFTER.search(head)):
            self._again.append(body)
            await asyncio.sleep(int(found[1]))
        else:
            raise Answer(f"{status}: {said[:200]!r}")


class _Connection:
    """One at a time, kept for the next request."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes) -> tuple[int, bytes, bytes]:
        """Status, head and body of the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(b"%bContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body))
        head = await reader.readuntil(b"\r\n\r\n")
        status, length = _STATUS.match(head), _LENGTH.search(head)
        if status is None or length is None:
            raise Answer(repr(head[:200]))
        return int(status[1]), head, await reader.readexactly(int(length[1]))

    def close(self) -> None:
        if self._streams is not None:
            with suppress(OSError):
                self._streams[1].close()
            self._streams = None
