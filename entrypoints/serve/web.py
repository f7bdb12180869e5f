"""The HTTP server: the public callback URL, and what an orchestrator asks."""

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

from domain.errors import TryLater
from services.ports import Storage

ReadLog = Callable[[], Awaitable[int]]


def add_probes(
    app: web.Application,
    *,
    read_log: ReadLog,
    storage: Storage,
    serving: asyncio.Event,
    stopping: asyncio.Event,
) -> None:
    """`/healthz`: the process answers. `/readyz`: it serves, and has its database."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        try:
            await read_log()
        except TryLater:
            return _not_ready("the database does not answer")
        if stopping.is_set():
            return _not_ready("stopping")
        if not serving.is_set():
            return _not_ready("starting")
        if storage.trouble:
            return _not_ready(f"the database cannot be written: {storage.trouble}")
        return web.json_response({"status": "ready"})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)


def _not_ready(why: str) -> web.Response:
    return web.json_response({"status": why}, status=503)


def _cannot_listen(host: str, port: int, error: OSError | UnicodeError) -> OSError:
    """`error` itself does not say which setting to change."""
    match error:
        case socket.gaierror():
            why = f"{error.strerror}; is the host's name right?"
        case OSError(errno=errno.EADDRINUSE):
            why = "another process listens there"
        case OSError(errno=errno.EADDRNOTAVAIL):
            why = "this machine has no such address"
        case OSError():
            # The event loop's own text repeats the address.
            why = os.strerror(error.errno) if error.errno else str(error)
        case _:
            why = "that is no host's name"
    text = f"callback_address {host}:{port} cannot be listened on ({why})"
    number = error.errno if isinstance(error, OSError) else None
    return OSError(number or errno.EADDRNOTAVAIL, text)


class Web:
    """Listens once started; `port` is the bound one."""

    def __init__(self, app: web.Application, *, host: str, port: int) -> None:
        # Callback URLs hold the token that admits a caller: no access log.
        self._runner = web.AppRunner(app, access_log=None)
        self._host, self.port = host, port

    async def start(self) -> None:
        """Raises OSError where the address cannot be had."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self.port).start()
        except (OSError, UnicodeError) as error:
            await self._runner.cleanup()
            raise _cannot_listen(self._host, self.port, error) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()
