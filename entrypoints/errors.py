"""What a gRPC client is told when a call fails: the one table from errors to status codes.

Every status carries a google.rpc.Status with an ErrorInfo; an InvalidRequest a BadRequest besides,
a TryLater a RetryInfo. Whatever is no EspalierError becomes INTERNAL with a reference, under which
the log has the cause; nothing of the cause itself leaves the service.

The status travels in HTTP/2 trailers, of which gRPC clients take 8 KiB: everything here is cut to
fit, and what is left out is counted.
"""

import inspect
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from structlog.typing import FilteringBoundLogger

from domain.errors import (
    AlreadyExists,
    Conflict,
    EspalierError,
    InvalidRequest,
    NotFound,
    NotPossibleNow,
    TryLater,
    Violation,
)
from entrypoints.convert.times import to_duration
from entrypoints.malformed import MalformedRequest, ReadableRequests, lenient, readable

# The stubs ask for the messages' types, which an interceptor does not know.
Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = Any
# From a request, or a stream of them, and a method's name to what its servicer gets.
Read: TypeAlias = Callable[[Any, str], Any]

DOMAIN = "espalier"

CODES: Mapping[type[EspalierError], grpc.StatusCode] = {
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    MalformedRequest: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    Conflict: grpc.StatusCode.ABORTED,
    NotPossibleNow: grpc.StatusCode.FAILED_PRECONDITION,
    TryLater: grpc.StatusCode.UNAVAILABLE,
}

# The text stands in the trailers twice, once percent-encoded at up to three bytes for one, once
# in the details, which base64 makes a third longer: 0.5 KiB of text and 3 KiB of violations come to
# 6.5 KiB at worst.
_TEXT_BYTES = 512
_VIOLATIONS_BYTES = 3072
_FIELD_BYTES = 256
_FACT_BYTES = 128
_ELLIPSIS = "…".encode()


def code_of(error: Exception) -> grpc.StatusCode:
    """The code of the error's class or of the nearest class above it, else INTERNAL."""
    for kind in type(error).__mro__:
        if kind in CODES:
            return CODES[kind]
    return grpc.StatusCode.INTERNAL


def to_status(error: EspalierError) -> Status:
    """What a client is told of an error that has a code of its own."""
    info = ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=_facts(error))
    details: list[Message] = [info]
    if isinstance(error, InvalidRequest):
        details.append(_bad_request(error.violations, error.more))
    if isinstance(error, TryLater):
        details.append(RetryInfo(retry_delay=to_duration(error.retry_after_seconds)))
    return _status(code_of(error), str(error), details)


def internal_status(reference: str) -> Status:
    """What a client is told of a fault of ours: where its cause is written, and nothing else."""
    text = f"the service failed; its log has the cause under reference {reference}"
    info = ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"reference": reference})
    return _status(grpc.StatusCode.INTERNAL, text, [info])


def _status(code: grpc.StatusCode, text: str, details: Sequence[Message]) -> Status:
    status = Status(code=code.value[0], message=_cut(text, _TEXT_BYTES))
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _facts(error: EspalierError) -> dict[str, str]:
    match error:
        case NotFound() | Conflict():
            return {"kind": error.kind, "name": _cut(error.name, _FACT_BYTES)}
        case AlreadyExists():
            return {"request_id": _cut(error.request_id, _FACT_BYTES)}
        case _:
            return {}


def _bad_request(violations: Sequence[Violation], more: int) -> BadRequest:
    """As many of the violations as fit, and the number of all others."""
    shown = BadRequest()
    for i, violation in enumerate(violations):
        one = BadRequest.FieldViolation(
            field=_cut(violation.field, _FIELD_BYTES),
            reason=violation.reason,
            description=_cut(violation.message, _TEXT_BYTES),
        )
        if shown.ByteSize() + one.ByteSize() > _VIOLATIONS_BYTES:
            more += len(violations) - i
            break
        shown.field_violations.append(one)
    if more:
        shown.field_violations.append(_more(more))
    return shown


def _more(left_out: int) -> BadRequest.FieldViolation:
    text = f"{left_out} more violations did not fit; correct these and call again"
    return BadRequest.FieldViolation(reason="MORE_VIOLATIONS", description=text)


def _cut(text: str, most: int) -> str:
    """At most so many bytes of UTF-8; a lone surrogate, which UTF-8 cannot hold, becomes `?`."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= most:
        return encoded.decode()
    return encoded[: most - len(_ELLIPSIS)].decode(errors="ignore") + _ELLIPSIS.decode()


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Ends every call that raises with the status that belongs to its error.

    Cancellation passes through, and so does a call that a servicer aborted itself.
    """

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        # None: no such method, which gRPC answers by itself.
        return handler and self._guarded(handler, handler_call_details.method)

    def _guarded(self, handler: Any, method: str) -> Any:
        make, behaviour = _behaviour(handler)
        read = ReadableRequests if handler.request_streaming else readable
        if inspect.isasyncgenfunction(behaviour):
            guarded = self._stream(behaviour, read, method)
        elif inspect.iscoroutinefunction(behaviour):
            guarded = self._call(behaviour, read, method)
        else:
            # gRPC runs it in a thread; none of our servicers is of this kind.
            return handler
        return make(guarded, lenient(handler.request_deserializer), handler.response_serializer)

    def _call(
        self, behaviour: Callable[..., Awaitable[Any]], read: Read, method: str
    ) -> Callable[..., Any]:
        async def call(request: Any, context: Context) -> Any:
            async with self._told(context, method):
                return await behaviour(read(request, method), context)

        return call

    def _stream(
        self, behaviour: Callable[..., AsyncGenerator[Any, None]], read: Read, method: str
    ) -> Callable[..., Any]:
        async def stream(request: Any, context: Context) -> AsyncGenerator[Any, None]:
            async with (
                self._told(context, method),
                aclosing(behaviour(read(request, method), context)) as responses,
            ):
                async for response in responses:
                    yield response

        return stream

    @asynccontextmanager
    async def _told(self, context: Context, method: str) -> AsyncGenerator[None, None]:
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - It ends here, logged, as INTERNAL.
            status = self._status_of(error, method)
            await context.abort_with_status(rpc_status.to_status(status))

    def _status_of(self, error: Exception, method: str) -> Status:
        if isinstance(error, EspalierError) and code_of(error) is not grpc.StatusCode.INTERNAL:
            if error.__cause__ is not None:
                # What a driver said is for the operator alone.
                self._log.warning("call refused", method=method, exc_info=error)
            return to_status(error)
        reference = secrets.token_hex(8)
        self._log.error("call failed", method=method, reference=reference, exc_info=error)
        return internal_status(reference)


def _behaviour(handler: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What makes a handler of this kind, and the servicer's method that it calls."""
    match handler.request_streaming, handler.response_streaming:
        case False, False:
            return grpc.unary_unary_rpc_method_handler, handler.unary_unary
        case False, True:
            return grpc.unary_stream_rpc_method_handler, handler.unary_stream
        case True, False:
            return grpc.stream_unary_rpc_method_handler, handler.stream_unary
        case _:
            return grpc.stream_stream_rpc_method_handler, handler.stream_stream
