"""Over a real gRPC server and channel: what a client sees of each error, and what it does not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import grpc
import grpc.aio
import pytest
import structlog
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from structlog.testing import CapturingLogger

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
from entrypoints.errors import CODES, ErrorInterceptor, internal_status, to_status
from espalier.v1 import campaign_pb2, campaign_pb2_grpc

M = TypeVar("M", bound=Message)

SECRET = "hunter2"
REQUEST = campaign_pb2.GetCampaignRequest(campaign_id="7")


class Raising(campaign_pb2_grpc.CampaignServiceServicer):
    """Raises what it is given, from rpcs of three kinds."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def GetCampaign(self, request: Any, context: Any) -> Any:
        raise self.error

    async def WatchCampaign(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield campaign_pb2.WatchCampaignResponse()
        raise self.error

    async def SendCampaignStream(self, request_iterator: Any, context: Any) -> Any:
        async for _ in request_iterator:
            raise self.error


class Aborting(campaign_pb2_grpc.CampaignServiceServicer):
    async def GetCampaign(self, request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.DATA_LOSS, "on purpose")


class Answering(campaign_pb2_grpc.CampaignServiceServicer):
    async def GetCampaign(self, request: Any, context: Any) -> Any:
        campaign = campaign_pb2.Campaign(campaign_id=request.campaign_id)
        return campaign_pb2.GetCampaignResponse(campaign=campaign)

    async def WatchCampaign(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for number in ("1", "2"):
            campaign = campaign_pb2.Campaign(campaign_id=number)
            yield campaign_pb2.WatchCampaignResponse(campaign=campaign)


class Waiting(campaign_pb2_grpc.CampaignServiceServicer):
    """Streams one answer, then waits until the client goes away."""

    def __init__(self, closed: asyncio.Event) -> None:
        self.closed = closed

    async def WatchCampaign(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            yield campaign_pb2.WatchCampaignResponse()
            await asyncio.Event().wait()
        finally:
            self.closed.set()


@asynccontextmanager
async def client(
    kind: Any, *arguments: Any, log: CapturingLogger | None = None
) -> AsyncIterator[Any]:
    """A stub that calls a servicer of this kind; it has only the rpcs that its test needs."""
    async with channel_to(kind(*arguments), log=log) as channel:
        yield campaign_pb2_grpc.CampaignServiceStub(channel)


@asynccontextmanager
async def channel_to(
    servicer: Any, *, log: CapturingLogger | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    bound = structlog.wrap_logger(log or CapturingLogger(), processors=[])
    server = grpc.aio.server(interceptors=[ErrorInterceptor(bound)])
    campaign_pb2_grpc.add_CampaignServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


def descendants(kind: type[EspalierError]) -> Iterator[type[EspalierError]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def rich(error: grpc.aio.AioRpcError) -> Status:
    """The google.rpc.Status of a failed call; it must agree with the plain status."""
    call: Any = error
    status = rpc_status.from_call(call)
    assert isinstance(status, Status)
    return status


def detail(status: Status, kind: type[M]) -> M | None:
    for packed in status.details:
        found = kind()
        if packed.Unpack(found):
            return found
    return None


def test_every_error_of_the_tree_has_a_code() -> None:
    of_the_domain = [e for e in descendants(EspalierError) if e.__module__ == "domain.errors"]
    assert len(of_the_domain) >= 6
    assert [e.__name__ for e in of_the_domain if e not in CODES] == []


TOLD = [
    (
        InvalidRequest([Violation(field="a.b", reason="REQUIRED", message="is missing")]),
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        {},
    ),
    (
        NotFound("campaign", "7"),
        grpc.StatusCode.NOT_FOUND,
        "NOT_FOUND",
        {"kind": "campaign", "name": "7"},
    ),
    (
        AlreadyExists("r-1"),
        grpc.StatusCode.ALREADY_EXISTS,
        "REQUEST_ID_REUSED",
        {"request_id": "r-1"},
    ),
    (
        Conflict("provider", "acme"),
        grpc.StatusCode.ABORTED,
        "ETAG_MISMATCH",
        {"kind": "provider", "name": "acme"},
    ),
    (
        NotPossibleNow("it has ended", reason="CAMPAIGN_ENDED"),
        grpc.StatusCode.FAILED_PRECONDITION,
        "CAMPAIGN_ENDED",
        {},
    ),
    (
        TryLater("the database is busy", retry_after_seconds=2.5),
        grpc.StatusCode.UNAVAILABLE,
        "TRY_LATER",
        {},
    ),
]


@pytest.mark.parametrize(("error", "code", "reason", "facts"), TOLD)
async def test_an_error_reaches_the_client_with_its_code_reason_and_facts(
    error: EspalierError, code: grpc.StatusCode, reason: str, facts: dict[str, str]
) -> None:
    async with client(Raising, error) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.GetCampaign(REQUEST)
    status = rich(raised.value)
    assert raised.value.code() is code
    assert raised.value.details() == str(error)
    assert detail(status, ErrorInfo) == ErrorInfo(reason=reason, domain="espalier", metadata=facts)


async def test_a_stream_of_answers_and_a_stream_of_requests_end_with_the_status_too() -> None:
    async with client(Raising, NotFound("campaign", "7")) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as watched:
            async for _ in stub.WatchCampaign(campaign_pb2.WatchCampaignRequest()):
                pass
        with pytest.raises(grpc.aio.AioRpcError) as sent:
            await stub.SendCampaignStream(iter([campaign_pb2.SendCampaignStreamRequest()]))
    for raised in (watched, sent):
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
        assert detail(rich(raised.value), ErrorInfo) is not None


def raw(channel: Any, rpc: str, body: bytes) -> Any:
    """A call of one of three kinds whose request is these bytes, be it a message or not."""
    method = f"/espalier.v1.CampaignService/{rpc}"
    match rpc:
        case "GetCampaign":
            return channel.unary_unary(method)(body)
        case "WatchCampaign":
            return channel.unary_stream(method)(body).read()
        case _:
            return channel.stream_unary(method)(iter([body]))


@pytest.mark.parametrize("rpc", ["GetCampaign", "WatchCampaign", "SendCampaignStream"])
@pytest.mark.parametrize("body", [b"\xff", b"\x0a\x05ab", b"\x0a\x01\xff"])
async def test_bytes_that_are_no_request_are_the_caller_s_fault_and_fill_no_log(
    rpc: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    log = CapturingLogger()
    kind: Any = Raising
    async with channel_to(kind(RuntimeError("never reached")), log=log) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await raw(channel, rpc, body)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert raised.value.details() == (
        f"the request is no message that /espalier.v1.CampaignService/{rpc} takes; "
        "make the client from the .proto files of this service"
    )
    info = detail(rich(raised.value), ErrorInfo)
    assert info == ErrorInfo(reason="MALFORMED_REQUEST", domain="espalier")
    assert log.calls == []
    assert caplog.records == []


async def test_what_raises_nothing_is_answered_as_ever() -> None:
    async with client(Answering) as stub:
        answer = await stub.GetCampaign(REQUEST)
        watched = [each async for each in stub.WatchCampaign(campaign_pb2.WatchCampaignRequest())]
    assert answer.campaign.campaign_id == "7"
    assert [each.campaign.campaign_id for each in watched] == ["1", "2"]


async def test_a_call_that_the_servicer_aborted_keeps_its_status() -> None:
    log = CapturingLogger()
    async with client(Aborting, log=log) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.GetCampaign(REQUEST)
    assert raised.value.code() is grpc.StatusCode.DATA_LOSS
    assert log.calls == []


async def test_a_client_that_goes_away_ends_the_stream_and_is_no_error() -> None:
    log, closed = CapturingLogger(), asyncio.Event()
    async with client(Waiting, closed, log=log) as stub:
        call = stub.WatchCampaign(campaign_pb2.WatchCampaignRequest())
        await call.read()
        call.cancel()
        await asyncio.wait_for(closed.wait(), timeout=30)
    assert log.calls == []


async def test_an_unforeseen_error_is_internal_and_its_cause_stays_in_the_log() -> None:
    log, cause = CapturingLogger(), RuntimeError(f"connect to db with {SECRET}")
    async with client(Raising, cause, log=log) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.GetCampaign(REQUEST)
    status = rich(raised.value)
    info = detail(status, ErrorInfo)
    (call,) = log.calls
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert info is not None
    assert info.reason == "INTERNAL"
    assert call.kwargs["exc_info"] is cause
    assert call.kwargs["method"] == "/espalier.v1.CampaignService/GetCampaign"
    assert call.kwargs["reference"] == info.metadata["reference"]
    assert info.metadata["reference"] in (raised.value.details() or "")
    assert SECRET.encode() not in status.SerializeToString()


async def test_an_error_without_a_code_of_its_own_is_internal() -> None:
    async with client(Raising, EspalierError(SECRET)) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.GetCampaign(REQUEST)
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert SECRET not in (raised.value.details() or "")


async def test_a_driver_s_words_behind_a_try_later_are_logged_and_not_told() -> None:
    log, error = CapturingLogger(), TryLater("the database is busy")
    error.__cause__ = OSError(SECRET)
    async with client(Raising, error, log=log) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.GetCampaign(REQUEST)
    assert [call.kwargs["exc_info"] for call in log.calls] == [error]
    assert SECRET.encode() not in rich(raised.value).SerializeToString()


async def test_thousands_of_violations_fit_into_the_trailers_and_the_rest_is_counted() -> None:
    error = InvalidRequest(
        [
            Violation(field=f"recipients[{i}].é", reason="REQUIRED", message="é" * 400)
            for i in range(5000)
        ]
    )
    async with client(Raising, error) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.GetCampaign(REQUEST)
    bad = detail(rich(raised.value), BadRequest)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert bad is not None
    *shown, more = bad.field_violations
    assert shown[0].field == "recipients[0].é"
    assert more.reason == "MORE_VIOLATIONS"
    assert more.description.startswith(f"{5000 - len(shown)} more ")
    # Beyond 8 KiB a client may refuse them, at random.
    details = rich(raised.value).ByteSize() * 4 / 3
    assert details + len(quote(raised.value.details() or "")) < 8192 - 512


def test_violations_that_were_only_counted_are_told_by_their_number() -> None:
    one = Violation(field="recipients[0].email", reason="REQUIRED", message="is missing")
    status = to_status(InvalidRequest([one], more=4999))
    bad = detail(status, BadRequest)
    assert bad is not None
    first, more = bad.field_violations
    assert (first.field, more.reason) == ("recipients[0].email", "MORE_VIOLATIONS")
    assert more.description.startswith("4999 more ")
    assert status.message.endswith("; and 4,999 more")


def test_each_violation_is_told_with_field_reason_and_sentence() -> None:
    status = to_status(
        InvalidRequest(
            [
                Violation(
                    field="provider.headers[2].name", reason="REQUIRED", message="is missing"
                ),
                Violation(field="provider.batch", reason="NOT_WITH_GET", message="needs a body"),
            ]
        )
    )
    bad = detail(status, BadRequest)
    assert bad is not None
    assert [(v.field, v.reason, v.description) for v in bad.field_violations] == [
        ("provider.headers[2].name", "REQUIRED", "is missing"),
        ("provider.batch", "NOT_WITH_GET", "needs a body"),
    ]


def test_a_try_later_says_when() -> None:
    retry = detail(to_status(TryLater("busy", retry_after_seconds=2.5)), RetryInfo)
    assert retry is not None
    assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == (2, 500_000_000)


def test_only_a_try_later_asks_for_a_retry() -> None:
    assert detail(to_status(NotFound("campaign", "7")), RetryInfo) is None
    assert detail(internal_status("ab"), RetryInfo) is None


@pytest.mark.parametrize("name", ["\ud800", "é" * 5000])
def test_a_name_that_no_trailer_can_carry_is_made_fit(name: str) -> None:
    status = to_status(NotFound("provider", name))
    assert status.ByteSize() < 1500
    assert status.code == 5
