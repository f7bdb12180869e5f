"""How campaigns are read, watched and changed through a real gRPC server."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from entrypoints.campaigns.reading import PAGING
from espalier.v1 import campaign_pb2
from tests.contracts.bench import accepted, posting
from tests.contracts.ports import NOW
from tests.domain.provider_samples import POST
from tests.entrypoints.api_server import reason, violations
from tests.entrypoints.campaign_api import IDS, CampaignApi, campaign_api, whole

QUICK = Duration(nanos=100_000_000)
SENDING = campaign_pb2.CAMPAIGN_STATE_SENDING
PAUSED = campaign_pb2.CAMPAIGN_STATE_PAUSED
CANCELLED = campaign_pb2.CAMPAIGN_STATE_CANCELLED
COMPLETED = campaign_pb2.CAMPAIGN_STATE_COMPLETED
RESEND = campaign_pb2.UNKNOWN_MESSAGE_ACTION_RESEND
ABANDON = campaign_pb2.UNKNOWN_MESSAGE_ACTION_ABANDON


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[CampaignApi]:
    async with campaign_api(tmp_path) as made:
        yield made


async def sent(api: CampaignApi, number: int = 3, request_id: str = "r-1") -> str:
    response = await api.stub.SendCampaign(whole(number, request_id))
    return response.campaign.campaign_id


async def test_a_campaign_is_read_as_it_stands(api: CampaignApi) -> None:
    made = await api.stub.SendCampaign(whole(3))

    response = await api.stub.GetCampaign(
        campaign_pb2.GetCampaignRequest(campaign_id=made.campaign.campaign_id)
    )

    assert response.campaign == made.campaign
    assert response.campaign.subject == "Hello $$name"
    assert response.campaign.create_time.seconds == NOW


@pytest.mark.parametrize(
    ("campaign_id", "fault"),
    [
        ("", "REQUIRED"),
        ("seven", "INVALID_CAMPAIGN_ID"),
        ("-7", "INVALID_CAMPAIGN_ID"),
        ("007", "INVALID_CAMPAIGN_ID"),
        ("\u0667", "INVALID_CAMPAIGN_ID"),
        ("1" * 20, "INVALID_CAMPAIGN_ID"),
    ],
)
async def test_a_campaign_id_that_is_none_is_refused_by_every_call(
    api: CampaignApi, campaign_id: str, fault: str
) -> None:
    for call, request in calls_about(api, campaign_id):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(request)
        assert violations(caught.value) == {"campaign_id": fault}


@pytest.mark.parametrize("campaign_id", ["0", "99", "9" * 19])
async def test_a_campaign_that_is_not_there_is_not_found_by_any_call(
    api: CampaignApi, campaign_id: str
) -> None:
    for call, request in calls_about(api, campaign_id):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(request)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND, request


def calls_about(api: CampaignApi, campaign_id: str) -> list[tuple[Any, Message]]:
    stub = api.stub

    async def watch(request: campaign_pb2.WatchCampaignRequest) -> None:
        async for _ in stub.WatchCampaign(request):
            pass

    return [
        (stub.GetCampaign, campaign_pb2.GetCampaignRequest(campaign_id=campaign_id)),
        (watch, campaign_pb2.WatchCampaignRequest(campaign_id=campaign_id)),
        (stub.PauseCampaign, campaign_pb2.PauseCampaignRequest(campaign_id=campaign_id)),
        (stub.ResumeCampaign, campaign_pb2.ResumeCampaignRequest(campaign_id=campaign_id)),
        (stub.CancelCampaign, campaign_pb2.CancelCampaignRequest(campaign_id=campaign_id)),
        (stub.ListMessages, campaign_pb2.ListMessagesRequest(campaign_id=campaign_id)),
        (
            stub.GetMessage,
            campaign_pb2.GetMessageRequest(campaign_id=campaign_id, email="a@example.com"),
        ),
        (
            stub.ResolveUnknownMessages,
            campaign_pb2.ResolveUnknownMessagesRequest(campaign_id=campaign_id, action=ABANDON),
        ),
    ]


async def test_campaigns_are_listed_newest_first_page_by_page(api: CampaignApi) -> None:
    made = [await sent(api, 1, f"r-{i}") for i in range(5)]

    listed: list[list[str]] = []
    token = ""
    while not listed or token:
        page = await api.stub.ListCampaigns(
            campaign_pb2.ListCampaignsRequest(page_size=2, page_token=token)
        )
        listed.append([campaign.campaign_id for campaign in page.campaigns])
        token = page.next_page_token

    assert listed == [[made[4], made[3]], [made[2], made[1]], [made[0]]]


async def test_a_listing_is_narrowed_by_provider_and_state(api: CampaignApi) -> None:
    await api.ports.providers.configure("other", lambda _: replace(POST, nickname="other"))
    first, second = await sent(api, 1, "r-1"), await sent(api, 1, "r-2")
    elsewhere = whole(1, "r-3")
    elsewhere.campaign.provider = "other"
    third = (await api.stub.SendCampaign(elsewhere)).campaign.campaign_id
    await api.stub.PauseCampaign(campaign_pb2.PauseCampaignRequest(campaign_id=first))

    async def listed(**where: Any) -> list[str]:
        page = await api.stub.ListCampaigns(campaign_pb2.ListCampaignsRequest(**where))
        return [campaign.campaign_id for campaign in page.campaigns]

    assert await listed(provider="ACME") == [second, first]
    assert await listed(states=[PAUSED]) == [first]
    assert await listed(states=[SENDING]) == [third, second]
    assert await listed(provider="other", states=[PAUSED]) == []
    assert await listed(states=[PAUSED, SENDING]) == [third, second, first]


async def test_a_listing_of_an_unknown_provider_is_not_found(api: CampaignApi) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.ListCampaigns(campaign_pb2.ListCampaignsRequest(provider="nobody"))

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_all_that_is_wrong_with_a_listing_is_told_together(api: CampaignApi) -> None:
    request = campaign_pb2.ListCampaignsRequest(
        page_size=-1,
        page_token="no token",
        states=[SENDING, campaign_pb2.CAMPAIGN_STATE_UNSPECIFIED],
    )

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.ListCampaigns(request)

    assert violations(caught.value) == {
        "page_size": "OUT_OF_RANGE",
        "page_token": "INVALID_PAGE_TOKEN",
        "states[1]": "REQUIRED",
    }


@pytest.mark.parametrize("key", ["seven", "-1", "1" * 30])
async def test_a_page_token_that_somebody_made_up_is_refused(api: CampaignApi, key: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.ListCampaigns(
            campaign_pb2.ListCampaignsRequest(page_token=PAGING.token(key))
        )

    assert violations(caught.value) == {"page_token": "INVALID_PAGE_TOKEN"}


async def test_a_campaign_is_paused_resumed_and_cancelled(api: CampaignApi) -> None:
    campaign_id = await sent(api)

    paused = await api.stub.PauseCampaign(
        campaign_pb2.PauseCampaignRequest(campaign_id=campaign_id, reason=" wrong list ")
    )
    resumed = await api.stub.ResumeCampaign(
        campaign_pb2.ResumeCampaignRequest(campaign_id=campaign_id)
    )
    cancelled = await api.stub.CancelCampaign(
        campaign_pb2.CancelCampaignRequest(campaign_id=campaign_id)
    )

    assert paused.campaign.state == PAUSED
    assert paused.campaign.state_reason == "paused by PauseCampaign: wrong list"
    assert (resumed.campaign.state, resumed.campaign.state_reason) == (SENDING, "")
    assert cancelled.campaign.state == CANCELLED
    assert cancelled.campaign.counts == campaign_pb2.MessageCounts(total=3, cancelled=3)
    assert cancelled.campaign.end_time.seconds == NOW


async def test_a_campaign_that_has_ended_is_not_paused(api: CampaignApi) -> None:
    campaign_id = await sent(api)
    await api.stub.CancelCampaign(campaign_pb2.CancelCampaignRequest(campaign_id=campaign_id))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.PauseCampaign(campaign_pb2.PauseCampaignRequest(campaign_id=campaign_id))

    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason(caught.value) == "CAMPAIGN_ENDED"


async def test_a_reason_that_is_too_long_is_refused_together_with_the_id(api: CampaignApi) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.CancelCampaign(campaign_pb2.CancelCampaignRequest(reason="x" * 1025))

    assert violations(caught.value) == {"campaign_id": "REQUIRED", "reason": "TOO_LONG"}


async def test_a_watch_shows_the_campaign_at_once_then_each_change_and_ends_with_it(
    api: CampaignApi,
) -> None:
    campaign_id = await sent(api)
    watch = aiter(
        api.stub.WatchCampaign(
            campaign_pb2.WatchCampaignRequest(campaign_id=campaign_id, interval=QUICK)
        )
    )
    states = [(await anext(watch)).campaign.state]

    await api.stub.PauseCampaign(campaign_pb2.PauseCampaignRequest(campaign_id=campaign_id))
    states.append((await anext(watch)).campaign.state)
    await api.stub.CancelCampaign(campaign_pb2.CancelCampaignRequest(campaign_id=campaign_id))
    states += [response.campaign.state async for response in watch]

    assert states == [SENDING, PAUSED, CANCELLED]


async def test_a_watch_shows_counts_as_they_change(api: CampaignApi) -> None:
    campaign_id = await sent(api)
    watch = aiter(
        api.stub.WatchCampaign(
            campaign_pb2.WatchCampaignRequest(campaign_id=campaign_id, interval=QUICK)
        )
    )
    assert (await anext(watch)).campaign.counts.queued == 3

    (claim,) = await api.bench.claim()
    step, request = posting(claim, 0, 1, 2)
    await api.bench.record(step)
    assert (await anext(watch)).campaign.counts.sending == 3
    await api.bench.record(accepted(step, request))

    (last,) = [response.campaign async for response in watch]
    assert (last.state, last.counts.accepted) == (COMPLETED, 3)


async def test_a_watch_of_a_campaign_that_has_ended_shows_it_once(api: CampaignApi) -> None:
    campaign_id = await sent(api)
    await api.stub.CancelCampaign(campaign_pb2.CancelCampaignRequest(campaign_id=campaign_id))

    watch = api.stub.WatchCampaign(campaign_pb2.WatchCampaignRequest(campaign_id=campaign_id))

    assert [response.campaign.state async for response in watch] == [CANCELLED]


async def test_a_watch_ends_when_the_service_stops(api: CampaignApi) -> None:
    campaign_id = await sent(api)
    watch = aiter(
        api.stub.WatchCampaign(
            campaign_pb2.WatchCampaignRequest(
                campaign_id=campaign_id, interval=Duration(seconds=60)
            )
        )
    )
    await anext(watch)

    api.stopping.set()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(watch)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason(caught.value) == "TRY_LATER"


@pytest.mark.parametrize(
    "interval",
    [
        Duration(),
        Duration(nanos=99_999_999),
        Duration(seconds=60, nanos=1),
        Duration(seconds=-1),
        Duration(seconds=1, nanos=-1),
    ],
    ids=["none", "too short", "too long", "negative", "of two signs"],
)
async def test_an_interval_out_of_range_is_refused(api: CampaignApi, interval: Duration) -> None:
    watch = aiter(api.stub.WatchCampaign(campaign_pb2.WatchCampaignRequest(interval=interval)))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(watch)

    assert violations(caught.value) == {"campaign_id": "REQUIRED", "interval": "OUT_OF_RANGE"}


async def test_unknown_messages_are_resolved(api: CampaignApi) -> None:
    number = await api.bench.lost(3)
    message_ids = IDS.campaign_messages(number, [0, 1])

    given_up = await api.stub.ResolveUnknownMessages(
        campaign_pb2.ResolveUnknownMessagesRequest(
            campaign_id=str(number), action=ABANDON, message_ids=message_ids[:1]
        )
    )
    again = await api.stub.ResolveUnknownMessages(
        campaign_pb2.ResolveUnknownMessagesRequest(
            campaign_id=str(number), action=RESEND, message_ids=message_ids
        )
    )
    rest = await api.stub.ResolveUnknownMessages(
        campaign_pb2.ResolveUnknownMessagesRequest(campaign_id=str(number), action=ABANDON)
    )

    assert (given_up.resolved_count, given_up.skipped_count) == (1, 0)
    assert (again.resolved_count, again.skipped_count) == (1, 1)
    assert again.campaign.state == SENDING
    assert rest.resolved_count == 1
    assert rest.campaign.counts == campaign_pb2.MessageCounts(total=3, queued=1, cancelled=2)


async def test_what_is_no_message_of_the_campaign_is_told_with_its_place(api: CampaignApi) -> None:
    number = await api.bench.lost(2)
    ours, theirs = IDS.campaign_message(number, 0), IDS.campaign_message(number + 1, 0)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.ResolveUnknownMessages(
            campaign_pb2.ResolveUnknownMessagesRequest(
                campaign_id=str(number),
                message_ids=[ours, theirs, "made up", IDS.test_message(number)],
            )
        )

    assert violations(caught.value) == {
        "action": "REQUIRED",
        "message_ids[1]": "OF_ANOTHER_CAMPAIGN",
        "message_ids[2]": "OF_ANOTHER_CAMPAIGN",
        "message_ids[3]": "OF_ANOTHER_CAMPAIGN",
    }


async def test_more_messages_than_one_call_takes_are_refused(api: CampaignApi) -> None:
    number = await api.bench.lost(1)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.ResolveUnknownMessages(
            campaign_pb2.ResolveUnknownMessagesRequest(
                campaign_id=str(number),
                action=RESEND,
                message_ids=[IDS.campaign_message(number, 0)] * 1001,
            )
        )

    assert violations(caught.value) == {"message_ids": "TOO_MANY"}
