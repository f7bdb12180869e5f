"""The transport over libcurl."""

import asyncio
from collections.abc import Callable
from functools import partial

from adapters.curl.exchange import Exchange
from adapters.curl.options import CurlOptions
from adapters.curl.watch import Poller, new_poller
from adapters.curl.worker import CLOSED, Worker
from domain.http import HttpRequest, HttpResponse, Landed, NotSent, check

# A day. libcurl takes no more than 24 of them.
_LONGEST_TIMEOUT = 86_400


class CurlTransport:
    """Carries requests with libcurl, in the event loop that the first one comes from.

    Up to `max_connections` requests are in flight; what is more waits in order, and its timeout
    begins when its turn comes. A wait that is cancelled takes its request back if its turn had not
    come. One that had begun goes on to its end, unheard: ending it half-way would leave it as much
    in doubt and cost the connection. The caller cannot tell which it was, so that a cancelled
    request is in doubt.
    """

    def __init__(
        self, options: CurlOptions, *, new_poller: Callable[[], Poller] = new_poller
    ) -> None:
        self._options = options
        self._new_poller = new_poller
        self._worker: Worker | None = None
        self._closing = False

    def start(
        self, request: HttpRequest, *, timeout_seconds: float, landed: Callable[[Landed], None]
    ) -> None:
        """Raises ValueError for what HTTP cannot carry; all else is told to `landed`.

        TransportBroken is told after a fault of the program. It stays that way: nothing that caused
        it is known, and a new process begins with nothing of it.
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
        self._closing = True
        if self._worker is not None:
            await self._worker.close(self._options.drain_timeout)

    def _submit(self, exchange: Exchange) -> None:
        check(exchange.request)
        if not 0 < exchange.timeout_seconds <= _LONGEST_TIMEOUT:
            raise ValueError(f"the timeout is at most {_LONGEST_TIMEOUT} s, and no less than 0")
        if self._closing:
            asyncio.get_running_loop().call_soon(exchange.landed, NotSent(CLOSED))
            return
        if self._worker is None:
            self._worker = Worker(self._options, self._new_poller())
        self._worker.submit(exchange)


def _fill(future: "asyncio.Future[HttpResponse]", outcome: Landed) -> None:
    if future.done():  # Cancelled: nobody waits for it any more.
        return
    if isinstance(outcome, HttpResponse):
        future.set_result(outcome)
    else:
        future.set_exception(outcome)
