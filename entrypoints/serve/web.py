"""The HTTP server of the callback address, and what an orchestrator asks it."""

import socket
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from domain.errors import TryLater
from entrypoints.callbacks import Handler
from services.ports import Storage

ReadLag = Callable[[], Awaitable[int]]

STARTING, SERVING, STOPPING = "starting", "serving", "stopping"


class Probes:
    """Answers `/healthz` and `/readyz`.

    `/healthz`: the process answers. `/readyz`: the service serves, and has its database; and how
    many events are stored that the states of messages do not show yet. `state` says whether it
    serves, in a word.
    """

    def __init__(self, *, read_lag: ReadLag, storage: Storage, state: Callable[[], str]) -> None:
        self._read_lag = read_lag
        self._storage = storage
        self._state = state

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        match request.path:
            case "/healthz":
                answer = web.json_response({"status": "ok"})
            case "/readyz":
                answer = await self._readyz()
            case _:
                return web.json_response({"error": "There is nothing here."}, status=404)
        if request.method not in ("GET", "HEAD"):
            answer = web.json_response({"error": "Only GET is allowed here."}, status=405)
            answer.headers["Allow"] = "GET, HEAD"
        return answer

    async def _readyz(self) -> web.Response:
        try:
            lag = await self._read_lag()
        except TryLater:
            return _not_ready("the database does not answer")
        if self._state() != SERVING:
            return _not_ready(self._state())
        if self._storage.trouble:
            return _not_ready(f"the database cannot be written: {self._storage.trouble}")
        return web.json_response({"status": "ready", "fold_lag_events": lag})


def _not_ready(why: str) -> web.Response:
    return web.json_response({"status": why}, status=503)


class Web:
    """Answers on sockets that are bound already, from `start` to `stop`."""

    def __init__(
        self, handler: Handler, sockets: Sequence[socket.socket], *, drain_seconds: float
    ) -> None:
        # Callback URLs hold the token that admits a caller: no access log.
        server = web.Server(handler, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=drain_seconds)
        self._sockets = sockets

    async def start(self) -> None:
        await self._runner.setup()
        for one in self._sockets:
            await web.SockSite(self._runner, one, backlog=4096).start()

    async def stop(self) -> None:
        """Accepts nothing more, and waits for what is under way."""
        await self._runner.cleanup()
