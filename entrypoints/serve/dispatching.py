"""A process that does nothing but send."""

import asyncio
import gc
import os
import secrets
import signal
import sys

from entrypoints import bootstrap
from entrypoints.settings import Settings

# The thread that has waited for the disk wants no more than to say so; at the default it would wait
# 5 ms for the event loop to let it.
_SWITCH_SECONDS = 0.0002
# As many objects live at once as some windows of requests are made of.
_ALLOCATIONS = 20_000


async def dispatch(settings: Settings, *, supervised: bool) -> None:
    """Sends until SIGTERM or SIGINT, then ends what is in flight.

    A supervised one ends as well when its standard input closes: its supervisor is gone.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    _collect_garbage_rarely()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if supervised:
        loop.add_reader(sys.stdin.fileno(), stopping.set)
    # Never the name of an earlier process: its leases are not this one's.
    name = f"{os.getpid()}-{secrets.token_hex(4)}"
    async with bootstrap.parts(settings) as parts, bootstrap.transport(settings) as transport:
        worker = parts.dispatcher(transport, name=name, processes=settings.dispatchers)
        await worker.run(stopping)


def _collect_garbage_rarely() -> None:
    """Next to nothing here is in cycles, and the collector would look through it all the time."""
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 20, 50)
