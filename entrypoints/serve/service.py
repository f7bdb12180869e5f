"""The process of `espalier serve`: starts every part in order, and stops them in reverse."""

import asyncio
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from structlog.typing import FilteringBoundLogger

from entrypoints import bootstrap
from entrypoints.serve.api import Api
from entrypoints.serve.folding import keep_folding
from entrypoints.serve.listening import close, listen, public_base_url
from entrypoints.serve.servicers import servicers
from entrypoints.serve.supervisor import Part, Supervisor
from entrypoints.serve.upkeep import keep_probing, keep_pruning, keep_sweeping, running
from entrypoints.serve.web import SERVING, STOPPING
from entrypoints.setting_kinds import host_and_port
from entrypoints.settings import Settings

# What answered callbacks for a service that was killed ends a moment after it, and later where it
# had only just been started.
_ENDING_SECONDS = 15.0


async def serve(
    settings: Settings,
    *,
    environ: Mapping[str, str],
    log: FilteringBoundLogger,
    say: Callable[[str], None],
) -> None:
    """Serves until SIGTERM or SIGINT; returns once nothing is in flight any more.

    `environ` is what the other processes are started with: they read the same settings.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(bootstrap.parts(settings))
        # Only test emails leave from this process.
        transport = await stack.enter_async_context(bootstrap.transport(settings))
        receivers, callback_port = await _start_receivers(settings, stack, environ, log)
        for upkeep in (
            keep_folding(parts.log, log),
            keep_sweeping(parts.campaigns, parts.clock),
            keep_pruning(parts.kept_requests, parts.clock),
            keep_probing(parts.storage, log),
        ):
            await stack.enter_async_context(running(upkeep, stopping))
        dispatchers = _dispatchers(settings.dispatchers, environ=environ, log=log)
        await dispatchers.start()
        stack.push_async_callback(dispatchers.stop, drain_seconds=settings.drain_seconds)
        api = Api(
            servicers(
                parts,
                transport,
                public_base_url=public_base_url(settings, callback_port),
                stopping=stopping,
            ),
            address=settings.grpc_address,
            max_message_bytes=settings.max_grpc_message_bytes,
            log=log,
        )
        await api.start()
        stack.push_async_callback(api.stop, drain_seconds=settings.drain_seconds)
        receivers.tell(SERVING)
        say(f"API on port {api.port}, callbacks on port {callback_port}")
        await stopping.wait()
        receivers.tell(STOPPING)
        say("stopping: what is in flight is waited for")


async def _start_receivers(
    settings: Settings,
    stack: AsyncExitStack,
    environ: Mapping[str, str],
    log: FilteringBoundLogger,
) -> tuple[Supervisor, int]:
    """The processes that take callbacks in, and the port that they share."""
    host, port = host_and_port(settings.callback_address)

    def say_that_it_is_taken() -> None:
        log.warning("callback_address is taken; waiting for an earlier run to end", port=port)

    shares = await listen(
        host,
        port,
        processes=settings.callback_processes,
        patience_seconds=_ENDING_SECONDS,
        waiting=say_that_it_is_taken,
    )
    stack.callback(close, [one for share in shares for one in share])
    receivers = _receivers(shares, environ=environ, log=log)
    await receivers.start()
    stack.push_async_callback(receivers.stop, drain_seconds=settings.drain_seconds)
    return receivers, shares[0][0].getsockname()[1]


def _receivers(
    shares: Sequence[Sequence[socket.socket]],
    *,
    environ: Mapping[str, str],
    log: FilteringBoundLogger,
) -> Supervisor:
    """A process for each share of the sockets."""
    parts = []
    for share in shares:
        descriptors = tuple(one.fileno() for one in share)
        named = [f"--socket={number}" for number in descriptors]
        parts.append(Part(arguments=("receive", *named), descriptors=descriptors))
    return Supervisor("callback process", parts, environ=environ, log=log)


def _dispatchers(
    count: int, *, environ: Mapping[str, str], log: FilteringBoundLogger
) -> Supervisor:
    parts = [Part(arguments=("dispatch", "--supervised"))] * count
    return Supervisor("dispatcher", parts, environ=environ, log=log)
