"""The process of `espalier serve`: starts every part in order, and stops them in reverse."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from structlog.typing import FilteringBoundLogger

from entrypoints import bootstrap
from entrypoints.callbacks import callback_app
from entrypoints.serve.api import Api
from entrypoints.serve.servicers import servicers
from entrypoints.serve.supervisor import Supervisor
from entrypoints.serve.upkeep import keep_folding, keep_probing, keep_sweeping
from entrypoints.serve.web import Web, add_probes
from entrypoints.setting_kinds import host_and_port
from entrypoints.settings import Settings


async def serve(
    settings: Settings,
    *,
    environ: Mapping[str, str],
    log: FilteringBoundLogger,
    say: Callable[[str], None],
) -> None:
    """Serves until SIGTERM or SIGINT; returns once nothing is in flight any more.

    `environ` is what the dispatchers are started with: they read the same settings.
    """
    stopping, serving = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    drain = settings.drain_seconds
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(bootstrap.parts(settings))
        # Only test emails leave from this process.
        transport = await stack.enter_async_context(bootstrap.transport(settings))
        for upkeep in (
            keep_folding(parts.log),
            keep_sweeping(parts.campaigns, parts.clock),
            keep_probing(parts.storage, log),
        ):
            await stack.enter_async_context(_running(upkeep, stopping))
        app = callback_app(parts.providers.by_callback_token, parts.record_callback(), log=log)
        add_probes(
            app,
            read_log=parts.log.head,
            storage=parts.storage,
            serving=serving,
            stopping=stopping,
        )
        host, port = host_and_port(settings.callback_address)
        web = Web(app, host=host, port=port)
        await web.start()
        stack.push_async_callback(web.stop)
        supervisor = Supervisor(count=settings.dispatchers, environ=environ, log=log)
        await supervisor.start()
        stack.push_async_callback(supervisor.stop, drain_seconds=drain)
        api = Api(
            servicers(
                parts,
                transport,
                public_base_url=_public_base_url(settings, web.port),
                stopping=stopping,
            ),
            address=settings.grpc_address,
            max_message_bytes=settings.max_grpc_message_bytes,
            log=log,
        )
        await api.start()
        stack.push_async_callback(api.stop, drain_seconds=drain)
        serving.set()
        say(f"API on port {api.port}, callbacks on port {web.port}")
        await stopping.wait()
        say("stopping: what is in flight is waited for")


def _public_base_url(settings: Settings, port: int) -> str:
    """Where nobody named the URL, it is that of the bound port, which may have been a free one."""
    return re.sub(r":0$", f":{port}", settings.public_base_url).rstrip("/")


@asynccontextmanager
async def _running(
    work: Coroutine[object, object, None], stopping: asyncio.Event
) -> AsyncIterator[None]:
    """Does the work meanwhile. Where it fails, the service stops, and ends with its error."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda _: stopping.set())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
