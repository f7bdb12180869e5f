"""The HTTP server: the public callback URL, and what an orchestrator asks."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from domain.errors import TryLater

ReadLog = Callable[[], Awaitable[int]]


def add_probes(app: web.Application, *, read_log: ReadLog, is_draining: Callable[[], bool]) -> None:
    """`/healthz`: the process answers. `/readyz`: it has its database, and is not stopping."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        if is_draining():
            return web.json_response({"status": "stopping"}, status=503)
        try:
            await read_log()
        except TryLater:
            return web.json_response({"status": "the database does not answer"}, status=503)
        return web.json_response({"status": "ready"})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)


class Web:
    """Listens once started; `port` is the bound one."""

    def __init__(self, app: web.Application, *, host: str, port: int) -> None:
        # Callback URLs hold the token that admits a caller: no access log.
        self._runner = web.AppRunner(app, access_log=None)
        self._host, self.port = host, port

    async def start(self) -> None:
        """Raises OSError where the address cannot be had."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()
