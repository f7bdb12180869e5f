"""What tests of several parts share."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

_Value = TypeVar("_Value")
# Short enough to cost a test nothing, long enough not to take the processor from what it waits for.
_POLL_SECONDS = 0.01


@overload
async def eventually(
    predicate: Callable[[], Awaitable[_Value]],
    timeout: float = ...,  # noqa: ASYNC109 - see below.
) -> _Value: ...


@overload
async def eventually(
    predicate: Callable[[], _Value],
    timeout: float = ...,  # noqa: ASYNC109 - see below.
) -> _Value: ...


async def eventually(
    predicate: Callable[[], _Value | Awaitable[_Value]],
    timeout: float = 10.0,  # noqa: ASYNC109 - it says how long to go on asking, not when to cancel.
) -> _Value:
    """Ask until the answer is truthy, and return it.

    Fails after `timeout` seconds, which bounds a failure and is no measure: it says what the last
    answer was. Exceptions of the predicate pass through at once.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    while True:
        answer = predicate()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if asyncio.get_running_loop().time() >= deadline:
            raise AssertionError(f"not so within {timeout} s; the last answer was {value!r}")
        await asyncio.sleep(_POLL_SECONDS)


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens.

    Only for tests that need nobody to answer there, or that must name the port beforehand: a
    server of a test's own listens on port 0.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
