"""The transport as the event loop sees it."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from adapters.curl.exchange import Exchange
from adapters.curl.options import CurlOptions
from adapters.curl.worker import CLOSED, Settled, Worker
from domain.http import HttpRequest, HttpResponse, Landed, NotSent, check

# A day. libcurl takes no more than 24 of them.
_LONGEST_TIMEOUT = 86_400


class CurlTransport:
    """Carries requests with libcurl, in a thread that the first one starts.

    Up to `max_connections` requests are in flight; what is more waits in order, and its timeout
    begins when its turn comes. A wait that is cancelled takes its request back if its turn had not
    come. One that had begun goes on to its end, unheard: ending it half-way would leave it as much
    in doubt and cost the connection. The caller cannot tell which it was, so that a cancelled
    request is in doubt.

    It belongs to the event loop that the first request came from.
    """

    def __init__(self, options: CurlOptions) -> None:
        self._options = options
        self._worker: Worker | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._closing = False
        # Filled by the worker's thread and emptied by the loop's.
        self._settled: deque[Settled] = deque()
        self._delivery_due = False

    def start(
        self, request: HttpRequest, *, timeout_seconds: float, landed: Callable[[Landed], None]
    ) -> None:
        """Raises ValueError for what HTTP cannot carry; all else is told to `landed`.

        TransportBroken is told once the thread has ended by a fault of the program. It stays that
        way: nothing that caused it is known, and a new process begins with nothing of it.
        """
        self._submit(Exchange(request, timeout_seconds, landed))

    async def send(self, request: HttpRequest, *, timeout_seconds: float) -> HttpResponse:
        """The answer. Raises NotSent, AnswerLost, TransportBroken and ValueError; see `start`."""
        future: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        exchange = Exchange(request, timeout_seconds, partial(_fill, future))
        self._submit(exchange)
        try:
            return await future
        except asyncio.CancelledError:
            exchange.is_wanted = False
            raise

    async def close(self) -> None:
        """Refuse what waits, wait for what is in flight (`drain_timeout` at most), and end."""
        first = not self._closing
        self._closing = True
        if self._worker is None:
            return
        if first:
            self._worker.stop(self._options.drain_timeout)
        await self._ended.wait()
        if first:
            self._worker.join()

    def _submit(self, exchange: Exchange) -> None:
        check(exchange.request)
        if not 0 < exchange.timeout_seconds <= _LONGEST_TIMEOUT:
            raise ValueError(f"the timeout is at most {_LONGEST_TIMEOUT} s, and no less than 0")
        if self._closing:
            asyncio.get_running_loop().call_soon(exchange.landed, NotSent(CLOSED))
        else:
            (self._worker or self._begin()).submit(exchange)

    def _begin(self) -> Worker:
        self._loop = asyncio.get_running_loop()
        self._worker = Worker(self._options, self._settle, self._end)
        return self._worker

    def _settle(self, settled: Sequence[Settled]) -> None:
        self._settled.extend(settled)
        if not self._delivery_due:
            self._delivery_due = True
            self._call_in_loop(self._deliver)

    def _end(self) -> None:
        self._call_in_loop(self._ended.set)

    def _deliver(self) -> None:
        # Taken back first: what is settled from here on asks for a delivery of its own.
        self._delivery_due = False
        while self._settled:
            exchange, outcome = self._settled.popleft()
            exchange.landed(outcome)

    def _call_in_loop(self, callback: Callable[[], object]) -> None:
        assert self._loop is not None  # noqa: S101 - it was set before the thread began.
        # RuntimeError: the loop was closed without `close`, and nobody waits there any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback)


def _fill(future: "asyncio.Future[HttpResponse]", outcome: Landed) -> None:
    if future.done():  # Cancelled: nobody waits for it any more.
        return
    if isinstance(outcome, HttpResponse):
        future.set_result(outcome)
    else:
        future.set_exception(outcome)
