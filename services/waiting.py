"""Calls that are never broken off half way, whoever is cancelled."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def wait_out(call: Awaitable[T]) -> T:
    """The result of `call`, which ends before this does, also when the caller is cancelled."""
    running = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            # Whoever is cancelled once more must not break it off either.
            with suppress(asyncio.CancelledError):
                await asyncio.wait({running})
        if not running.cancelled():
            running.exception()
        raise
