"""The connection of a command to the service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, TypeVar

import grpc
import typer

from entrypoints.cli.failures import Place, from_status, reported
from entrypoints.cli.reaching import PATIENCE, reach
from espalier.v1.campaign_pb2_grpc import CampaignServiceStub
from espalier.v1.event_pb2_grpc import EventServiceStub
from espalier.v1.provider_pb2_grpc import ProviderServiceStub
from espalier.v1.suppression_pb2_grpc import SuppressionServiceStub

DEFAULT_ADDRESS: Final = "127.0.0.1:50051"

# Seconds for one answer: far beyond what any unary call takes, so that only a hang meets it.
CALL_TIMEOUT: Final = 60.0

# Above the service's own bounds, so that a page of 1,000 entries always fits.
_MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024

CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
    # The service is a neighbour: a proxy that is set for web traffic has no way to it.
    ("grpc.enable_http_proxy", 0),
    # A service that starts, or starts again, is found soon: gRPC's own pauses between two tries to
    # connect grow to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A stream may be silent for days. A host that is gone without a word is noticed by pings; more
    # often than in five minutes a server may take them for abuse.
    ("grpc.keepalive_time_ms", 6 * 60 * 1000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
)

_T = TypeVar("_T")

Address = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="ESPALIER_ADDRESS",
        metavar="HOST:PORT",
        help="Where the service's gRPC API listens.",
    ),
]


class Client:
    """The stubs of all services over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.providers = ProviderServiceStub(channel)
        self.campaigns = CampaignServiceStub(channel)
        self.events = EventServiceStub(channel)
        self.suppressions = SuppressionServiceStub(channel)


def run(
    address: str,
    work: Callable[[Client], Coroutine[Any, Any, _T]],
    place: Place = str,
    *,
    interrupted: str = "Interrupted.",
    patience: float = PATIENCE,
) -> _T:
    """Do `work` with a client; what goes wrong is told on standard error and ends the command.

    `place` is used for the violations of a refused call, as in failures.from_status. `interrupted`
    is what Ctrl-C is answered with. A service that does not listen yet is waited for `patience`
    seconds.
    """
    with reported(interrupted):
        return asyncio.run(_connected(address, work, place, patience))


async def _connected(
    address: str,
    work: Callable[[Client], Coroutine[Any, Any, _T]],
    place: Place,
    patience: float,
) -> _T:
    try:
        async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
            await reach(channel, address, patience)
            return await work(Client(channel))
    except grpc.aio.AioRpcError as error:
        raise from_status(error, address, place) from error
