"""Streams that go on where they were after the service has been away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Final, TypeVar

import grpc
import typer

from entrypoints.cli.failures import retry_delay

# Seconds between two tries: they double from the first to the last.
_FIRST_WAIT: Final = 0.25
_LAST_WAIT: Final = 5.0

_Response = TypeVar("_Response")


async def resumed(
    call: Callable[[], AsyncIterable[_Response]], *, patience: float
) -> AsyncGenerator[_Response, None]:
    """Yield a stream's responses, and open it anew where it breaks off with UNAVAILABLE.

    `call` opens it, and must ask for what has not come yet. After a break a response must come
    within `patience` seconds; a service that has not answered even once is not waited for. What
    cannot be mended is raised.
    """
    now = asyncio.get_running_loop().time
    answered, broken_at, wait = False, 0.0, _FIRST_WAIT
    while True:
        try:
            async for response in call():
                answered, broken_at, wait = True, 0.0, _FIRST_WAIT
                yield response
            return
        except grpc.aio.AioRpcError as error:
            if not answered or error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            if not broken_at:
                broken_at = now()
                typer.echo(f"The stream broke off ({error.details()}). Trying again.", err=True)
            if now() - broken_at >= patience:
                raise
            delay = retry_delay(error)
        await asyncio.sleep(wait if delay is None else delay)
        wait = min(2 * wait, _LAST_WAIT)
