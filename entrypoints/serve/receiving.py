"""A process that does nothing but take callbacks in."""

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

from structlog.typing import FilteringBoundLogger

from entrypoints import bootstrap
from entrypoints.backlog import Backlog
from entrypoints.callbacks import Callbacks
from entrypoints.serve.listening import public_base_url
from entrypoints.serve.upkeep import keep_probing, running
from entrypoints.serve.web import STARTING, Probes, Web
from entrypoints.settings import Settings
from entrypoints.webhooks import Webhooks

# Between the thread that commits and the event loop; at the default 5 ms the lock of the database
# is held while a commit waits for the loop.
_SWITCH_SECONDS = 0.0005
_OBJECTS_BEFORE_COLLECTION = 50_000
_STANDARD_INPUT = 0


async def receive(
    settings: Settings, *, sockets: Sequence[socket.socket], log: FilteringBoundLogger
) -> None:
    """Answers on these sockets until SIGTERM, or until its supervisor is gone.

    The supervisor says in lines on the standard input what the service is doing: `/readyz` tells.
    """
    _make_ready_for_many()
    supervised = _Supervised()
    async with (
        bootstrap.parts(settings) as parts,
        # For what SNS has to be asked; ESPs send the rest.
        bootstrap.transport(settings) as transport,
        running(keep_probing(parts.storage), supervised.over),
    ):
        callbacks = Callbacks(
            parts.find_callback_provider(),
            parts.record_callback(),
            elsewhere=Probes(
                read_lag=parts.log.lag, storage=parts.storage, state=lambda: supervised.state
            ),
            backlog=Backlog(limit=settings.callback_backlog_bytes),
            log=log,
            webhooks=Webhooks(
                bootstrap.record_webhook(parts, transport, settings),
                public_base_url=public_base_url(settings, sockets[0].getsockname()[1]),
                log=log,
            ),
        )
        web = Web(callbacks, sockets, drain_seconds=settings.drain_seconds)
        await web.start()
        await supervised.over.wait()
        await web.stop()


def _make_ready_for_many() -> None:
    sys.setswitchinterval(_SWITCH_SECONDS)
    # What is there now stays. What a request makes is gone when it is answered, by itself: to look
    # for cycles after every 700 objects, as is usual, takes a tenth of the time.
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        # The usual 1,024 connections are soon used up by one that sends a burst.
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Supervised:
    """What the supervisor says, and when it is over."""

    def __init__(self) -> None:
        self.state = STARTING
        self.over = asyncio.Event()
        self._said = b""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.over.set)
        # Ctrl-C reaches every process of a terminal; the supervisor ends this one in its turn.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        os.set_blocking(_STANDARD_INPUT, False)
        loop.add_reader(_STANDARD_INPUT, self._hear)

    def _hear(self) -> None:
        said = os.read(_STANDARD_INPUT, 4096)
        if not said:
            asyncio.get_running_loop().remove_reader(_STANDARD_INPUT)
            self.over.set()
            return
        *lines, self._said = (self._said + said).split(b"\n")
        if lines:
            self.state = lines[-1].decode()
