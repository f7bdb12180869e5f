"""A gRPC server of the API for one test, on a free port, and how a call to it failed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc
import grpc.aio
import structlog
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status
from structlog.testing import CapturingLogger

from entrypoints.errors import ErrorInterceptor

M = TypeVar("M", bound=Message)


@asynccontextmanager
async def channel_to(add: Callable[[grpc.aio.Server], None]) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server that has what `add` adds, and ends calls as the service does."""
    log = structlog.wrap_logger(CapturingLogger(), processors=[])
    server = grpc.aio.server(interceptors=[ErrorInterceptor(log)])
    add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


def violations(error: grpc.aio.AioRpcError) -> dict[str, str]:
    """The reason of each violation, by its field."""
    bad = _detail(error, BadRequest())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    return {violation.field: violation.reason for violation in bad.field_violations}


def reason(error: grpc.aio.AioRpcError) -> str:
    return _detail(error, ErrorInfo()).reason


def _detail(error: grpc.aio.AioRpcError, found: M) -> M:
    call: Any = error
    status = rpc_status.from_call(call)
    assert status is not None, error.details()
    assert any(packed.Unpack(found) for packed in status.details)
    return found
