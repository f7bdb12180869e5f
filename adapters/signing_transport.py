"""Signing requests on their way to the transport."""

from collections.abc import Callable

from domain.http import HttpRequest, HttpResponse, Landed
from services.ports import Clock, Transport


class SigningTransport:
    """A transport that signs the requests that have an `aws_signature`, and sends all of them.

    All headers are signed that the request has then, the idempotency key among them.
    """

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    def start(
        self, request: HttpRequest, *, timeout_seconds: float, landed: Callable[[Landed], None]
    ) -> None:
        signed = self._signed(request)
        self._transport.start(signed, timeout_seconds=timeout_seconds, landed=landed)

    async def send(self, request: HttpRequest, *, timeout_seconds: float) -> HttpResponse:
        return await self._transport.send(self._signed(request), timeout_seconds=timeout_seconds)

    async def close(self) -> None:
        await self._transport.close()

    def _signed(self, request: HttpRequest) -> HttpRequest:
        if request.aws_signature is None:
            return request
        # It loads 12 MB, which only those who send through AWS have to have.
        from adapters.aws_signature import signed

        return signed(request, request.aws_signature, at=self._clock.now())
