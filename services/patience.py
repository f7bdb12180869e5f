"""Waiting for a storage that is busy, full or away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from domain.errors import TryLater

T = TypeVar("T")

# Seconds before another try, doubled up to the second.
_FIRST_WAIT = 0.05
_LONGEST_WAIT = 2.0


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """The result of `call`, which is tried until the storage takes it.

    For what a worker has to know or has done: to give it up would end the worker.
    """
    wait = _FIRST_WAIT
    while True:
        try:
            return await call()
        except TryLater:
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
