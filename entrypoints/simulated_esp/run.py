"""Running the simulator as a process of its own, until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol


class Service(Protocol):
    """What can be run: the simulated ESP, or the sink."""

    @property
    def url(self) -> str: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def summary(self) -> str: ...


async def run_until_signalled(service: Service, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then stop in order; a second signal stops at once.

    Says where it listens once it does. Raises OSError where it cannot.
    """
    await service.start()
    signalled = asyncio.Event()
    _on_signals(signalled.set)
    say(f"simulated ESP listens on {service.url}")
    await signalled.wait()
    stopping = asyncio.create_task(service.stop())
    _on_signals(stopping.cancel)
    with suppress(asyncio.CancelledError):
        await stopping
    say(f"stopped: {service.summary()}")


def _on_signals(act: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, act)
