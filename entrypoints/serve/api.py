"""The gRPC server: the services, health, reflection, and what a client may send."""

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection
from structlog.typing import FilteringBoundLogger

from entrypoints.errors import ErrorInterceptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Servicer:
    """A service by its full name, and how it is added to a server."""

    name: str
    add: Callable[[grpc.aio.Server], None]


class Api:
    """Listens once started; `port` is the bound one."""

    def __init__(
        self,
        servicers: Sequence[Servicer],
        *,
        address: str,
        max_message_bytes: int,
        log: FilteringBoundLogger,
    ) -> None:
        self._health = health.HealthServicer()
        self._server = grpc.aio.server(
            interceptors=[ErrorInterceptor(log)],
            options=[
                ("grpc.max_receive_message_length", max_message_bytes),
                # Two services on one port would share the calls between them at random.
                ("grpc.so_reuseport", 0),
            ],
        )
        names = [health_pb2.DESCRIPTOR.services_by_name["Health"].full_name]
        for servicer in servicers:
            servicer.add(self._server)
            names.append(servicer.name)
        self._names = ["", *names]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], self._server)
        self._address = address
        self.port = 0

    async def start(self) -> None:
        """Raises OSError where the address cannot be had."""
        try:
            self.port = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            text = f"grpc_address {self._address} cannot be listened on; is it taken?"
            raise OSError(errno.EADDRINUSE, text) from error
        await self._server.start()
        for name in self._names:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, *, drain_seconds: float) -> None:
        """Says that it is not serving, refuses new calls, and waits for those under way."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(drain_seconds)
