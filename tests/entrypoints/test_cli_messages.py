from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from entrypoints.cli.messages import State
from espalier.v1 import campaign_pb2, common_pb2
from tests.entrypoints.cli_server import espalier, serving

_UNKNOWN = campaign_pb2.MESSAGE_STATE_UNKNOWN


def _message(
    number: int, state: campaign_pb2.MessageState.ValueType = _UNKNOWN
) -> campaign_pb2.Message:
    return campaign_pb2.Message(
        message_id=f"m-{number}",
        campaign_id="7",
        email=f"p{number}@x.example",
        state=state,
        reason="ANSWER_LOST",
        detail="The connection was cut.",
    )


class _Messages:
    """Has three messages in three pages, of which the second is empty."""

    def __init__(self) -> None:
        self.list_requests: list[campaign_pb2.ListMessagesRequest] = []
        self.get_request = campaign_pb2.GetMessageRequest()

    def ListMessages(
        self, request: campaign_pb2.ListMessagesRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.ListMessagesResponse:
        self.list_requests.append(request)
        page = {
            "": ([_message(1), _message(2)], "two"),
            "two": ([], "three"),
            "three": ([_message(3)], ""),
        }
        messages, following = page[request.page_token]
        return campaign_pb2.ListMessagesResponse(messages=messages, next_page_token=following)

    def GetMessage(
        self, request: campaign_pb2.GetMessageRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.GetMessageResponse:
        self.get_request = request
        timeline = [
            campaign_pb2.TimelineEntry(
                kind=campaign_pb2.TIMELINE_ENTRY_KIND_STORED, text="It was stored."
            ),
            campaign_pb2.TimelineEntry(
                kind=campaign_pb2.TIMELINE_ENTRY_KIND_EVENT,
                text="It bounced.",
                detail="550 [no] such mailbox",
                event_type=common_pb2.EVENT_TYPE_NOTIFICATION_FAILED,
            ),
        ]
        message = _message(1)
        message.esp_message_id = "70650219165027410"
        return campaign_pb2.GetMessageResponse(message=message, timeline=timeline)


def test_messages_are_read_to_the_last_page_though_one_is_empty() -> None:
    servicer = _Messages()
    options = ("--state", "unknown", "--state", "rejected", "--email", "a@x.example")
    with serving(campaigns=servicer) as address:
        table = espalier("campaign", "messages", "7", *options, "--address", address)
        lines = espalier("campaign", "messages", "7", "--json", "--address", address)
    rows = [line.split() for line in table.stdout.splitlines()]
    assert [row[:3] for row in rows[1:]] == [
        [f"m-{number}", f"p{number}@x.example", "unknown"] for number in (1, 2, 3)
    ]
    assert "The connection was cut." in table.stdout
    assert [json.loads(line)["message_id"] for line in lines.stdout.splitlines()] == [
        *("m-1", "m-2", "m-3")
    ]
    first = servicer.list_requests[0]
    assert list(first.states) == [_UNKNOWN, campaign_pb2.MESSAGE_STATE_REJECTED]
    assert first.email == "a@x.example"


def test_a_limit_ends_the_list_and_says_that_there_are_more() -> None:
    with serving(campaigns=_Messages()) as address:
        result = espalier("campaign", "messages", "7", "--limit", "2", "--address", address)
    assert len(result.stdout.splitlines()) == 3
    assert "There are more" in result.stderr


def test_the_states_are_those_of_the_api() -> None:
    named = {f"MESSAGE_STATE_{state.name}" for state in State}
    assert named == set(campaign_pb2.MessageState.keys()) - {"MESSAGE_STATE_UNSPECIFIED"}


def test_a_message_is_found_by_its_address_and_shown_with_its_timeline() -> None:
    servicer = _Messages()
    which = ("--campaign", "7", "--email", "p1@x.example")
    with serving(campaigns=servicer) as address:
        result = espalier("campaign", "message", *which, "--address", address)
    assert servicer.get_request == campaign_pb2.GetMessageRequest(
        campaign_id="7", email="p1@x.example"
    )
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines.index("It was stored.") < lines.index("It bounced. 550 [no] such mailbox")
    assert "espalier campaign resolve 7 --message m-1" in result.stdout
    assert "70650219165027410" in result.stdout


def test_a_message_is_found_by_its_id() -> None:
    servicer = _Messages()
    with serving(campaigns=servicer) as address:
        result = espalier("campaign", "message", "m-1", "--json", "--address", address)
    assert servicer.get_request == campaign_pb2.GetMessageRequest(message_id="m-1")
    assert len(json.loads(result.stdout)["timeline"]) == 2


class _Cancelled:
    """Has messages that went with their campaign, and one that was given up by itself."""

    def ListMessages(
        self, request: campaign_pb2.ListMessagesRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.ListMessagesResponse:
        return campaign_pb2.ListMessagesResponse(
            messages=[
                self._message("m-0"),
                self._message("m-1", reason="CAMPAIGN_CANCELLED", update_time=Timestamp(seconds=1)),
                self._message("m-2", reason="ABANDONED", update_time=Timestamp(seconds=2)),
            ]
        )

    def GetMessage(
        self, request: campaign_pb2.GetMessageRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.GetMessageResponse:
        return campaign_pb2.GetMessageResponse(message=self._message("m-0"))

    def GetCampaign(
        self, request: campaign_pb2.GetCampaignRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.GetCampaignResponse:
        campaign = campaign_pb2.Campaign(
            campaign_id=request.campaign_id,
            state=campaign_pb2.CAMPAIGN_STATE_CANCELLED,
            state_reason="cancelled by CancelCampaign: a typo",
            end_time=Timestamp(seconds=60),
        )
        return campaign_pb2.GetCampaignResponse(campaign=campaign)

    def _message(self, message_id: str, **more: Any) -> campaign_pb2.Message:
        return campaign_pb2.Message(
            message_id=message_id,
            campaign_id="7",
            email="a@x.example",
            state=campaign_pb2.MESSAGE_STATE_CANCELLED,
            **more,
        )


def test_a_message_that_was_cancelled_with_its_campaign_shows_when_and_why_that_ended() -> None:
    with serving(campaigns=_Cancelled()) as address:
        table = espalier("campaign", "messages", "7", "--address", address)
        one = espalier("campaign", "message", "m-0", "--address", address)
    assert [line.split("\t")[3:] for line in table.stdout.splitlines()[1:]] == [
        ["1970-01-01 00:01:00 UTC", "cancelled by CancelCampaign: a typo"],
        ["1970-01-01 00:00:01 UTC", "cancelled by CancelCampaign: a typo"],
        ["1970-01-01 00:00:02 UTC", "ABANDONED"],
    ]
    shown = [" ".join(line.split()) for line in one.stdout.splitlines()]
    assert "Because cancelled by CancelCampaign: a typo" in shown
    assert "Since 1970-01-01 00:01:00 UTC" in shown


@pytest.mark.parametrize(
    "which", [(), ("--campaign", "7"), ("--email", "a@x.example"), ("m-1", "--campaign", "7")]
)
def test_a_message_that_is_not_named_in_full_is_asked_for(which: tuple[str, ...]) -> None:
    result = espalier("campaign", "message", *which)
    assert result.exit_code == 2
    assert "its id, or --campaign together with --email" in result.stderr
