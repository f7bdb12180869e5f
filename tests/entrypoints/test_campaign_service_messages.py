"""ListMessages and GetMessage over a real gRPC server: what became of each, and why."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from domain.callback import CallbackType
from espalier.v1 import campaign_pb2, common_pb2
from services.ports import EspMessage
from tests.contracts.bench import accepted, posting
from tests.contracts.ports import NOW
from tests.entrypoints.api_server import violations
from tests.entrypoints.campaign_api import IDS, CampaignApi, campaign_api, people, spec, whole

STORED = campaign_pb2.TIMELINE_ENTRY_KIND_STORED
NOT_SENT = campaign_pb2.TIMELINE_ENTRY_KIND_NOT_SENT
ATTEMPT = campaign_pb2.TIMELINE_ENTRY_KIND_ATTEMPT
EVENT = campaign_pb2.TIMELINE_ENTRY_KIND_EVENT
OPERATOR = campaign_pb2.TIMELINE_ENTRY_KIND_OPERATOR
REJECTED = campaign_pb2.MESSAGE_STATE_REJECTED
DUPLICATE = campaign_pb2.MESSAGE_STATE_DUPLICATE


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[CampaignApi]:
    async with campaign_api(tmp_path) as made:
        yield made


async def listed(api: CampaignApi, **request: Any) -> list[campaign_pb2.Message]:
    """All pages."""
    found: list[campaign_pb2.Message] = []
    token = ""
    while True:
        page = await api.stub.ListMessages(
            campaign_pb2.ListMessagesRequest(page_token=token, **request)
        )
        found += page.messages
        token = page.next_page_token
        if not token:
            return found


async def story(api: CampaignApi, **request: Any) -> list[tuple[Any, str, str]]:
    response = await api.stub.GetMessage(campaign_pb2.GetMessageRequest(**request))
    return [(entry.kind, entry.text, entry.detail) for entry in response.timeline]


async def mixed(api: CampaignApi) -> str:
    """A campaign to p0, p1 and p2, to p1 once more, and to an address that is none."""
    recipients = [*people(3), people(2)[1], common_pb2.Recipient(email="nobody")]
    response = await api.stub.SendCampaign(
        campaign_pb2.SendCampaignRequest(campaign=spec(), recipients=recipients)
    )
    return response.campaign.campaign_id


async def test_messages_are_listed_in_the_order_of_the_recipients(api: CampaignApi) -> None:
    campaign_id = await mixed(api)

    messages = await listed(api, campaign_id=campaign_id, page_size=2)

    assert [message.recipient_index for message in messages] == [0, 1, 2, 3, 4]
    assert messages[0].message_id == IDS.campaign_message(int(campaign_id), 0)
    assert (messages[0].email, messages[0].name) == ("p0@example.com", "P0")
    assert (messages[3].state, messages[3].message_id) == (DUPLICATE, "")
    assert (messages[4].state, messages[4].reason) == (REJECTED, "NOT_SENDABLE")
    assert messages[4].detail == "the address has no @"


async def test_messages_are_narrowed_by_state_and_address(api: CampaignApi) -> None:
    campaign_id = await mixed(api)

    by_state = await listed(api, campaign_id=campaign_id, states=[REJECTED, DUPLICATE])
    by_address = await listed(api, campaign_id=campaign_id, email="P1@Example.com", page_size=1)
    by_both = await listed(api, campaign_id=campaign_id, states=[DUPLICATE], email="p1@example.com")

    assert [message.recipient_index for message in by_state] == [3, 4]
    assert [message.recipient_index for message in by_address] == [1, 3]
    assert [message.recipient_index for message in by_both] == [3]


async def test_a_page_is_full_where_the_messages_are_spread_over_many_chunks(
    api: CampaignApi,
) -> None:
    recipients = people(2500)
    for i in (5, 1005, 2005):
        recipients[i].email = "nobody"
    request = campaign_pb2.SendCampaignRequest(campaign=spec(), recipients=recipients)
    campaign_id = (await api.stub.SendCampaign(request)).campaign.campaign_id

    page = await api.stub.ListMessages(
        campaign_pb2.ListMessagesRequest(campaign_id=campaign_id, states=[REJECTED], page_size=3)
    )

    assert [message.recipient_index for message in page.messages] == [5, 1005, 2005]


async def test_all_that_is_wrong_with_a_listing_is_told_together(api: CampaignApi) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await listed(api, page_size=-1, states=[campaign_pb2.MESSAGE_STATE_UNSPECIFIED])

    assert violations(caught.value) == {
        "campaign_id": "REQUIRED",
        "page_size": "OUT_OF_RANGE",
        "states[0]": "REQUIRED",
    }


async def test_a_message_is_found_by_its_id_and_by_its_address(api: CampaignApi) -> None:
    campaign_id = await mixed(api)
    message_id = IDS.campaign_message(int(campaign_id), 1)

    by_id = await api.stub.GetMessage(campaign_pb2.GetMessageRequest(message_id=message_id))
    by_address = await api.stub.GetMessage(
        campaign_pb2.GetMessageRequest(campaign_id=campaign_id, email="P1@EXAMPLE.com")
    )

    assert by_id == by_address
    assert by_id.message.recipient_index == 1
    assert by_id.message.state == campaign_pb2.MESSAGE_STATE_QUEUED
    assert [entry.kind for entry in by_id.timeline] == [STORED]
    assert by_id.timeline[0].time.seconds == NOW


async def test_a_message_is_shown_with_what_its_esp_calls_it(api: CampaignApi) -> None:
    campaign_id = await mixed(api)
    message_id = IDS.campaign_message(int(campaign_id), 1)
    message = IDS.read(message_id)
    assert message is not None
    called = EspMessage("70650219165027410", message, "p1@example.com")
    await api.bench.ports.esp_messages.add(1, [called])

    shown = await api.stub.GetMessage(campaign_pb2.GetMessageRequest(message_id=message_id))

    assert shown.message.esp_message_id == "70650219165027410"
    assert {each.esp_message_id for each in await listed(api, campaign_id=campaign_id)} == {""}


async def test_of_several_recipients_with_one_address_the_one_that_is_mailed_is_shown(
    api: CampaignApi,
) -> None:
    request = whole(2)
    request.campaign.subject = "Hello $$code"
    twice = [*people(2), people(1)[0]]
    for recipient in twice[1:]:
        recipient.replacements["code"] = "c"
    request = campaign_pb2.SendCampaignRequest(campaign=request.campaign, recipients=twice)
    campaign_id = (await api.stub.SendCampaign(request)).campaign.campaign_id

    response = await api.stub.GetMessage(
        campaign_pb2.GetMessageRequest(campaign_id=campaign_id, email="p0@example.com")
    )

    assert response.message.recipient_index == 2


async def test_a_timeline_tells_what_the_esp_and_its_callbacks_said(api: CampaignApi) -> None:
    number = await api.bench.sent(3)
    await api.bench.say(number, 1, CallbackType.SOFT_BOUNCE)
    await api.bench.say(number, 1, CallbackType.HARD_BOUNCE)
    await api.bench.say(number, 2, CallbackType.DELIVERED)
    await api.bench.fold()

    response = await api.stub.GetMessage(
        campaign_pb2.GetMessageRequest(message_id=IDS.campaign_message(number, 1))
    )

    events = [entry for entry in response.timeline if entry.kind == EVENT]
    assert response.message.state == campaign_pb2.MESSAGE_STATE_HARD_BOUNCED
    assert [(entry.text, entry.detail, entry.event_type) for entry in events] == [
        ("The ESP accepted it.", "", common_pb2.EVENT_TYPE_NOTIFICATION_SENT),
        (
            "It was not delivered for now: a soft bounce.",
            "said",
            common_pb2.EVENT_TYPE_NOTIFICATION_FAILED,
        ),
        (
            "It cannot be delivered: a hard bounce.",
            "said",
            common_pb2.EVENT_TYPE_NOTIFICATION_FAILED,
        ),
        (
            "The address was suppressed because of the hard bounce.",
            "said",
            common_pb2.EVENT_TYPE_CHANNEL_UNSUBSCRIBED,
        ),
    ]
    # The event of message 1 is the second of the three that the ESP took at once.
    assert [entry.event_id for entry in events] == ["1.1", "2.0", "3.0", "3.1"]


async def test_a_timeline_tells_why_a_message_was_not_sent(api: CampaignApi) -> None:
    campaign_id = await mixed(api)

    rejected = await story(api, campaign_id=campaign_id, email="nobody")
    await api.stub.CancelCampaign(
        campaign_pb2.CancelCampaignRequest(campaign_id=campaign_id, reason="wrong list")
    )
    cancelled = await story(api, campaign_id=campaign_id, email="p2@example.com")

    assert rejected[1:] == [(NOT_SENT, "It was rejected.", "the address has no @")]
    assert cancelled[1:] == [
        (
            NOT_SENT,
            "It was not sent: the campaign had ended.",
            "cancelled by CancelCampaign: wrong list",
        )
    ]


async def test_a_timeline_tells_of_a_lost_answer_and_of_who_gave_the_message_up(
    api: CampaignApi,
) -> None:
    number = await api.bench.lost(1)
    message_id = IDS.campaign_message(number, 0)

    lost = await story(api, message_id=message_id)
    await api.stub.ResolveUnknownMessages(
        campaign_pb2.ResolveUnknownMessagesRequest(
            campaign_id=str(number), action=campaign_pb2.UNKNOWN_MESSAGE_ACTION_ABANDON
        )
    )
    given_up = await story(api, message_id=message_id)

    assert [(kind, text) for kind, text, _ in lost[1:]] == [
        (ATTEMPT, "A request with it left, and the answer was lost.")
    ]
    assert [(kind, text) for kind, text, _ in given_up[1:]] == [
        (ATTEMPT, "A request with it left, and the answer was lost."),
        (OPERATOR, "Its outcome was unknown, and ResolveUnknownMessages gave it up."),
    ]


async def test_a_timeline_tells_that_a_message_may_have_gone_out_twice(api: CampaignApi) -> None:
    clock, number = api.ports.clock, await api.bench.lost(1)
    clock.advance(60)
    await api.stub.ResolveUnknownMessages(
        campaign_pb2.ResolveUnknownMessagesRequest(
            campaign_id=str(number), action=campaign_pb2.UNKNOWN_MESSAGE_ACTION_RESEND
        )
    )
    clock.advance(1)
    (claim,) = await api.bench.claim()
    step, request = posting(claim, 0)
    sent = accepted(step, request)
    (entry,) = sent.entries
    at_last = replace(entry, occurred_at=clock.now(), received_at=clock.now())
    await api.bench.record(step, replace(sent, entries=(at_last,)))

    told = await story(api, message_id=IDS.campaign_message(number, 0))

    assert [(kind, text) for kind, text, _ in told[1:]] == [
        (ATTEMPT, "A request with it left, and the answer was lost."),
        (OPERATOR, "Its outcome was unknown, and ResolveUnknownMessages had it sent again."),
        (EVENT, "The ESP accepted it."),
    ]
    assert "ended before the ESP's answer" in told[1][2]


@pytest.mark.parametrize(
    ("request_", "faults"),
    [
        ({}, {"message_id": "REQUIRED"}),
        ({"campaign_id": "1"}, {"email": "REQUIRED"}),
        ({"email": "a@example.com"}, {"campaign_id": "REQUIRED"}),
        ({"message_id": "m", "campaign_id": "1"}, {"message_id": "CONFLICTING_FIELDS"}),
        ({"message_id": "m", "email": "a@example.com"}, {"message_id": "CONFLICTING_FIELDS"}),
        ({"campaign_id": "x"}, {"campaign_id": "INVALID_CAMPAIGN_ID", "email": "REQUIRED"}),
    ],
)
async def test_a_message_is_named_by_its_id_or_by_campaign_and_address(
    api: CampaignApi, request_: dict[str, str], faults: dict[str, str]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.GetMessage(campaign_pb2.GetMessageRequest(**request_))

    assert violations(caught.value) == faults


async def test_a_message_that_is_not_there_is_not_found(api: CampaignApi) -> None:
    campaign_id = await mixed(api)
    number = int(campaign_id)
    missing: list[dict[str, Any]] = [
        {"message_id": "made up"},
        {"message_id": IDS.campaign_message(number, 5)},
        {"message_id": IDS.campaign_message(number + 1, 0)},
        {"message_id": IDS.test_message(1)},
        {"campaign_id": campaign_id, "email": "stranger@example.com"},
    ]

    for request in missing:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await api.stub.GetMessage(campaign_pb2.GetMessageRequest(**request))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND, request
