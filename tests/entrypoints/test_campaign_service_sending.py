"""SendCampaign, SendCampaignStream and PreviewCampaign over a real gRPC server."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from pathlib import Path

import grpc
import grpc.aio
import pytest
from sqlalchemy import func, select

from adapters.sql import schema
from domain.suppression import Suppression, SuppressionReason
from entrypoints.campaigns.intake import rest_of_stream
from espalier.v1 import campaign_pb2, common_pb2
from tests.contracts.ports import NOW, SqlPorts
from tests.entrypoints.api_server import reason, violations
from tests.entrypoints.campaign_api import CampaignApi, campaign_api, people, spec, whole
from tests.support import eventually

Request = campaign_pb2.SendCampaignStreamRequest


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[CampaignApi]:
    async with campaign_api(tmp_path) as made:
        yield made


def stream(
    recipients: Sequence[common_pb2.Recipient], *, cut: int = 1000, request_id: str = "r-1"
) -> Iterator[Request]:
    yield Request(campaign=spec(request_id))
    for start in range(0, len(recipients), cut):
        yield some(recipients[start : start + cut])


def some(recipients: Sequence[common_pb2.Recipient]) -> Request:
    return Request(recipients=campaign_pb2.RecipientChunk(recipients=recipients))


async def numbers(api: CampaignApi) -> list[int]:
    found = await api.ports.campaigns.list(before=None, limit=10)
    return [campaign.number for campaign in found]


def has_begun(api: CampaignApi, sends: int) -> bool:
    return api.send.begun == sends


async def rows(api: CampaignApi) -> int:
    """How many campaigns there are of any kind, without a sweep."""
    assert isinstance(api.ports, SqlPorts)
    async with api.ports.database.reading() as connection:
        found = await connection.execute(select(func.count()).select_from(schema.campaigns))
        return int(found.scalar_one())


async def left_unaccepted(api: CampaignApi) -> int:
    """How many campaigns were begun and are still there without having been accepted."""
    return await api.ports.campaigns.sweep(begun_before=NOW + 1e9)


async def test_a_campaign_in_one_message_is_durable_when_the_call_returns(
    api: CampaignApi,
) -> None:
    response = await api.stub.SendCampaign(whole(3))

    campaign = response.campaign
    assert not response.already_existed
    assert (campaign.request_id, campaign.provider, campaign.name) == ("r-1", "acme", "Spring")
    assert campaign.state == campaign_pb2.CAMPAIGN_STATE_SENDING
    assert campaign.counts == campaign_pb2.MessageCounts(total=3, queued=3)
    assert await numbers(api) == [int(campaign.campaign_id)]


async def test_a_campaign_in_a_stream_is_the_same_as_in_one_message(api: CampaignApi) -> None:
    streamed = await api.stub.SendCampaignStream(stream(people(2300), cut=700))
    again = await api.stub.SendCampaign(whole(2300))

    assert not streamed.already_existed
    assert again.already_existed
    assert again.campaign == streamed.campaign
    assert streamed.campaign.counts.queued == 2300


async def test_messages_without_recipients_change_nothing_of_a_stream(api: CampaignApi) -> None:
    requests = [*stream(people(2)), some([])]

    response = await api.stub.SendCampaignStream(iter(requests))

    assert response.campaign.counts.total == 2


async def test_a_repeat_with_another_content_is_refused(api: CampaignApi) -> None:
    await api.stub.SendCampaign(whole(3))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.SendCampaignStream(stream(people(4)))

    assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert reason(caught.value) == "REQUEST_ID_REUSED"


async def test_a_call_without_a_campaign_is_refused(api: CampaignApi) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.SendCampaign(campaign_pb2.SendCampaignRequest(recipients=people(1)))

    assert violations(caught.value) == {"campaign": "REQUIRED"}


async def test_faults_of_recipients_are_told_with_their_place_in_the_whole_stream(
    api: CampaignApi,
) -> None:
    everyone = [*people(1500), common_pb2.Recipient(name="Nobody")]

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.SendCampaignStream(stream(everyone, cut=400))

    assert violations(caught.value) == {"recipients[1500].email": "REQUIRED"}
    assert await numbers(api) == []
    assert await left_unaccepted(api) == 0


async def test_all_that_is_wrong_with_a_call_is_told_together(api: CampaignApi) -> None:
    request = whole(1)
    request.campaign.subject = ""
    request.campaign.send_at.nanos = -1
    request.recipients.add(email=" ").replacements.update({"To": "x", "Subject": "y"})

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.SendCampaign(request)

    assert violations(caught.value) == {
        "campaign.send_at": "INVALID_TIMESTAMP",
        "campaign.subject": "REQUIRED",
        "recipients[1].email": "REQUIRED",
        "recipients[1].replacements.To": "SYSTEM_NAME",
        "recipients[1].replacements.Subject": "SYSTEM_NAME",
    }


@pytest.mark.parametrize(
    ("requests", "fault"),
    [
        ([], ("campaign", "REQUIRED")),
        ([Request()], ("campaign", "REQUIRED")),
        ([some(people(1)), *stream(people(1))], ("campaign", "REQUIRED")),
        ([*stream(people(1)), Request(campaign=spec())], ("campaign", "REPEATED")),
        ([*stream(people(1)), Request()], ("payload", "REQUIRED")),
        ([*stream([])], ("recipients", "REQUIRED")),
    ],
    ids=["nothing", "empty first", "recipients first", "two campaigns", "empty", "no recipients"],
)
async def test_a_stream_in_another_order_is_refused_and_leaves_nothing(
    api: CampaignApi, requests: list[Request], fault: tuple[str, str]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.SendCampaignStream(iter(requests))

    assert violations(caught.value) == dict([fault])
    assert await numbers(api) == []
    assert await left_unaccepted(api) == 0


async def test_an_unknown_provider_is_not_found(api: CampaignApi) -> None:
    request = whole(1)
    request.campaign.provider = "nobody"

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.SendCampaign(request)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("size", [1, 1000, 2000])
async def test_a_client_that_is_gone_before_it_closed_its_stream_leaves_no_campaign(
    api: CampaignApi, size: int
) -> None:
    call = api.stub.SendCampaignStream()
    await call.write(Request(campaign=spec()))
    await call.write(some(people(size)))
    await eventually(lambda: api.send.received == size)

    call.cancel()

    await eventually(lambda: api.send.ended == 1)
    assert await numbers(api) == []
    assert await left_unaccepted(api) == 0
    again = await api.stub.SendCampaignStream(stream(people(size + 1)))
    assert not again.already_existed


async def test_streams_that_are_aborted_as_they_begin_leave_no_row(api: CampaignApi) -> None:
    for i in range(1, 13):
        call = api.stub.SendCampaignStream()
        await call.write(Request(campaign=spec(f"r-{i}")))
        await call.write(some(people(10)))
        await eventually(partial(has_begun, api, i))
        call.cancel()

    await eventually(lambda: api.send.ended == 12)
    assert await rows(api) == 0


async def test_the_recipients_only_end_while_the_client_is_there() -> None:
    """gRPC ends the messages of a client that is gone as if it had closed its stream."""

    async def requests() -> AsyncIterator[Request]:
        yield some(people(2))

    async def ask_client() -> None:
        raise asyncio.CancelledError

    recipients = rest_of_stream(requests(), ask_client)
    assert len(await anext(recipients)) == 2
    with pytest.raises(asyncio.CancelledError):
        await anext(recipients)


async def test_a_preview_shows_the_requests_and_who_gets_nothing(api: CampaignApi) -> None:
    suppressed = Suppression(
        email="p1@example.com",
        key="p1@example.com",
        reason=SuppressionReason.MANUAL,
        created_at=NOW,
    )
    await api.ports.suppressions.add([suppressed])
    recipients = [*people(2), *people(1), common_pb2.Recipient(email="nobody")]

    response = await api.stub.PreviewCampaign(
        campaign_pb2.PreviewCampaignRequest(campaign=spec(""), recipients=recipients)
    )

    (made,) = response.requests
    assert (list(made.recipient_indexes), list(made.emails)) == ([0], ["p0@example.com"])
    assert made.request.method == "POST"
    assert '"subject":"Hello P0"' in made.request.body.replace('": "', '":"')
    assert [(each.recipient_index, each.email, each.state) for each in response.rejections] == [
        (1, "p1@example.com", campaign_pb2.MESSAGE_STATE_SUPPRESSED),
        (2, "p0@example.com", campaign_pb2.MESSAGE_STATE_DUPLICATE),
        (3, "nobody", campaign_pb2.MESSAGE_STATE_REJECTED),
    ]
    assert all(each.reason and each.message for each in response.rejections)
    assert await numbers(api) == []


async def test_a_preview_without_a_campaign_is_refused(api: CampaignApi) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.PreviewCampaign(campaign_pb2.PreviewCampaignRequest(recipients=people(1)))

    assert violations(caught.value) == {"campaign": "REQUIRED"}


async def test_what_is_given_and_cannot_be_sent_is_warned_of(api: CampaignApi) -> None:
    request = whole(1)
    request.campaign.amp_html = "<html amp4email>"

    response = await api.stub.SendCampaign(request)

    (warning,) = response.warnings
    assert (warning.field, warning.reason) == ("campaign.amp_html", "NOT_IN_TEMPLATE")
