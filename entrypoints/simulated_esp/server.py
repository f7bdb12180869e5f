"""The simulated ESP as an aiohttp server."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Self

from aiohttp import web

from entrypoints.simulated_esp.behaviour import Behaviour
from entrypoints.simulated_esp.control import PREFIX, Control
from entrypoints.simulated_esp.intake import Intake
from entrypoints.simulated_esp.settings import EspSettings
from entrypoints.simulated_esp.state import Counts, EspState

# How long a stop waits for answers under way, in seconds; delays and drips are cut short.
_ANSWERS_WITHIN = 2.0
# A GET carries the whole message in its first line; aiohttp's own limit is 8 KiB.
_MAX_LINE = 64 * 1024
_READ_BUFFER = 1024 * 1024


class SimulatedEsp:
    """An ESP for demos, tests and staging; also an async context manager.

    It listens from `start` on; `url` has no slash at its end. Nothing is read or written before.
    """

    def __init__(self, settings: EspSettings | None = None, behaviour: Behaviour | None = None):
        self._settings = settings or EspSettings()
        self._first_behaviour = behaviour or Behaviour()
        self._state: EspState | None = None
        self._runner: web.ServerRunner | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return url_of(self._settings, self._port)

    def counts(self) -> Counts:
        return self._running.counts()

    def behave(self, behaviour: Behaviour) -> None:
        """Behave so from the next request on."""
        self._running.behave(behaviour)

    @property
    def behaviour(self) -> Behaviour:
        return self._running.behaviour

    async def start(self) -> None:
        """Listen. Raises OSError where the port is taken or a TLS file cannot be used."""
        context = tls_context(self._settings)
        state = EspState(self._settings, self._first_behaviour)
        server = web.Server(
            _Front(state), access_log=None, max_line_size=_MAX_LINE, read_bufsize=_READ_BUFFER
        )
        runner = web.ServerRunner(server, shutdown_timeout=_ANSWERS_WITHIN)
        await runner.setup()
        host, port = self._settings.host, self._settings.port
        site = web.TCPSite(runner, host, port, ssl_context=context, backlog=1024)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._port = runner.addresses[0][1]
        self._runner, self._state = runner, state
        state.poster.start()

    async def stop(self) -> None:
        """Take no more requests, finish those under way, post the callbacks that wait."""
        if self._runner is not None:
            self._running.end_pauses()
            try:
                await self._runner.cleanup()
            finally:
                self._runner = None
                await self._running.poster.stop(self._settings.flush_seconds)

    def summary(self) -> str:
        counts = self.counts()
        messages, callbacks = counts["messages"], counts["callbacks"]
        return (
            f"{counts['requests']['requests']} requests, {messages['accepted']} messages accepted, "
            f"{callbacks['acknowledged']} callback events acknowledged, "
            f"{callbacks['pending']} left"
        )

    @property
    def _running(self) -> EspState:
        if self._state is None:
            raise RuntimeError("the simulated ESP is not started: await start() first")
        return self._state


class _Front:
    """Tells control requests from a provider's."""

    def __init__(self, state: EspState) -> None:
        self._intake = Intake(state)
        self._control = Control(state)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith(PREFIX):
            return await self._control(request)
        return await self._intake(request)


def tls_context(settings: EspSettings) -> ssl.SSLContext | None:
    """Return None where there is no certificate. Raises OSError (SSLError is one)."""
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context


def url_of(settings: EspSettings, port: int) -> str:
    scheme = "http" if settings.tls_cert is None else "https"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{port}"
