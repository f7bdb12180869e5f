"""A gRPC server on a free port, with servicers of a test's own, and the command against it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from typer.testing import CliRunner, Result

from domain.errors import EspalierError
from entrypoints.errors import to_status
from entrypoints.main import app
from espalier.v1 import (
    campaign_pb2_grpc,
    event_pb2_grpc,
    provider_pb2_grpc,
    suppression_pb2_grpc,
)


class _Partial:
    """A servicer of which a test has written only the rpcs that it needs."""

    def __init__(self, servicer: object) -> None:
        self._servicer = servicer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._servicer, name, _unimplemented)


def _unimplemented(request: object, context: grpc.ServicerContext) -> None:
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "Not in this test.")


@contextmanager
def serving(
    *,
    providers: object = None,
    campaigns: object = None,
    events: object = None,
    suppressions: object = None,
    port: int = 0,
) -> Iterator[str]:
    """Serve what is given, with plain (not asyncio) methods, and yield the address."""
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    registrations: list[tuple[Any, object]] = [
        (provider_pb2_grpc.add_ProviderServiceServicer_to_server, providers),
        (campaign_pb2_grpc.add_CampaignServiceServicer_to_server, campaigns),
        (event_pb2_grpc.add_EventServiceServicer_to_server, events),
        (suppression_pb2_grpc.add_SuppressionServiceServicer_to_server, suppressions),
    ]
    for register, servicer in registrations:
        if servicer is not None:
            register(_Partial(servicer), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()


def espalier(*arguments: str, **environment: str) -> Result:
    """Run the command with these arguments and further environment variables."""
    return CliRunner().invoke(app, list(arguments), env=environment)


def refuse(context: grpc.ServicerContext, code: int, message: str, **violations: str) -> None:
    """End a call with a status; violations are told by field, `__` standing for a dot."""
    bad_request = error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=field.replace("__", "."), description=text
            )
            for field, text in violations.items()
        ]
    )
    _end(context, code, message, bad_request)


def refuse_as_the_service_does(context: grpc.ServicerContext, error: EspalierError) -> None:
    """End a call with the very status that the service makes of this error."""
    context.abort_with_status(rpc_status.to_status(to_status(error)))


def try_later(context: grpc.ServicerContext, message: str, *, seconds: float) -> None:
    """End a call with UNAVAILABLE, and say after how long it is worth another try."""
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromNanoseconds(round(seconds * 1e9))
    _end(context, code_pb2.UNAVAILABLE, message, retry)


def _end(context: grpc.ServicerContext, code: int, message: str, detail: Message) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status = status_pb2.Status(code=cast(Any, code), message=message, details=[packed])
    context.abort_with_status(rpc_status.to_status(status))


INVALID_ARGUMENT = code_pb2.INVALID_ARGUMENT
