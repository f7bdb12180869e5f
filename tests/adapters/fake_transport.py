"""A transport that answers from memory."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from domain.http import (
    AnswerLost,
    HttpRequest,
    HttpResponse,
    Landed,
    NotSent,
    TransportBroken,
    TransportError,
    check,
)

Answer: TypeAlias = HttpResponse | TransportError | None
"""None is a server that says nothing: the answer is lost when the time is up."""

ACCEPTED = HttpResponse(status=202, headers=(("Content-Type", "application/json"),), body=b"{}")


class FakeTransport:
    """Answers each request by `answer`, and keeps those that reached the server in `requests`.

    Answers queued by `then` come first, one for each request. After `hold` requests are taken in
    and wait for `release`. `timeouts` are what callers allowed, one for each call.
    """

    def __init__(self, answer: Callable[[HttpRequest], Answer] = lambda _: ACCEPTED) -> None:
        self.requests: list[HttpRequest] = []
        self.timeouts: list[float] = []
        self.closed = False
        self._answer = answer
        self._queued: deque[Answer] = deque()
        self._released = asyncio.Event()
        self._released.set()
        self._in_flight: set[asyncio.Task[HttpResponse]] = set()

    def then(self, *answers: Answer) -> None:
        self._queued.extend(answers)

    def hold(self) -> None:
        self._released.clear()

    def release(self) -> None:
        self._released.set()

    def start(
        self, request: HttpRequest, *, timeout_seconds: float, landed: Callable[[Landed], None]
    ) -> None:
        sending = asyncio.create_task(self.send(request, timeout_seconds=timeout_seconds))

        def tell(sent: "asyncio.Task[HttpResponse]") -> None:
            error = sent.exception()
            if isinstance(error, TransportError | TransportBroken):
                landed(error)
            else:
                landed(sent.result())

        sending.add_done_callback(tell)

    async def send(self, request: HttpRequest, *, timeout_seconds: float) -> HttpResponse:
        check(request)
        self.timeouts.append(timeout_seconds)
        if self.closed:
            raise NotSent("the transport is closed")
        # A task of its own: like the real one, a request goes on when its caller is cancelled.
        exchange = asyncio.create_task(self._exchange(request, timeout_seconds))
        self._in_flight.add(exchange)
        exchange.add_done_callback(self._forget)
        return await asyncio.shield(exchange)

    async def close(self) -> None:
        self.closed = True
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    async def _exchange(self, request: HttpRequest, timeout_seconds: float) -> HttpResponse:
        answer = self._queued.popleft() if self._queued else self._answer(request)
        if isinstance(answer, NotSent):
            raise answer
        self.requests.append(request)
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._released.wait()
                if answer is None:
                    await asyncio.Event().wait()
        except TimeoutError:
            raise AnswerLost(f"no complete answer within {timeout_seconds:g} s") from None
        if isinstance(answer, HttpResponse):
            return answer
        raise answer if answer is not None else AnswerLost("no answer")

    def _forget(self, exchange: "asyncio.Task[HttpResponse]") -> None:
        self._in_flight.discard(exchange)
        if not exchange.cancelled():
            exchange.exception()  # Looked at, so that a failure that nobody awaits is no warning.
