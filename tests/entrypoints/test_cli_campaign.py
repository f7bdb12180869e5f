from __future__ import annotations

import json
from collections.abc import Iterator

import grpc
import pytest

from domain.errors import NotFound
from entrypoints.cli.summary import rate
from espalier.v1 import campaign_pb2
from tests.entrypoints.cli_server import espalier, refuse_as_the_service_does, serving


def _campaign(
    campaign_id: str, state: campaign_pb2.CampaignState.ValueType, reason: str = ""
) -> campaign_pb2.Campaign:
    return campaign_pb2.Campaign(
        campaign_id=campaign_id,
        provider="acme",
        subject="Hi",
        state=state,
        state_reason=reason,
        counts=campaign_pb2.MessageCounts(total=1_234, queued=1_000, sending=234),
    )


class _Campaigns:
    def __init__(self) -> None:
        self.list_request = campaign_pb2.ListCampaignsRequest()
        self.resolve_request = campaign_pb2.ResolveUnknownMessagesRequest()

    def ListCampaigns(
        self, request: campaign_pb2.ListCampaignsRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.ListCampaignsResponse:
        self.list_request = request
        return campaign_pb2.ListCampaignsResponse(
            campaigns=[]
            if request.provider
            else [_campaign("7", campaign_pb2.CAMPAIGN_STATE_SENDING)]
        )

    def ResolveUnknownMessages(
        self, request: campaign_pb2.ResolveUnknownMessagesRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.ResolveUnknownMessagesResponse:
        self.resolve_request = request
        return campaign_pb2.ResolveUnknownMessagesResponse(
            resolved_count=1_000, skipped_count=len(request.message_ids)
        )

    def GetCampaign(
        self, request: campaign_pb2.GetCampaignRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.GetCampaignResponse:
        return campaign_pb2.GetCampaignResponse(
            campaign=_campaign(request.campaign_id, campaign_pb2.CAMPAIGN_STATE_SENDING)
        )

    def PauseCampaign(
        self, request: campaign_pb2.PauseCampaignRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.PauseCampaignResponse:
        state = campaign_pb2.CAMPAIGN_STATE_PAUSED
        return campaign_pb2.PauseCampaignResponse(
            campaign=_campaign(request.campaign_id, state, request.reason)
        )

    def ResumeCampaign(
        self, request: campaign_pb2.ResumeCampaignRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.ResumeCampaignResponse:
        return campaign_pb2.ResumeCampaignResponse(
            campaign=_campaign(request.campaign_id, campaign_pb2.CAMPAIGN_STATE_SENDING)
        )

    def CancelCampaign(
        self, request: campaign_pb2.CancelCampaignRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.CancelCampaignResponse:
        state = campaign_pb2.CAMPAIGN_STATE_CANCELLED
        return campaign_pb2.CancelCampaignResponse(
            campaign=_campaign(request.campaign_id, state, request.reason)
        )

    def WatchCampaign(
        self, request: campaign_pb2.WatchCampaignRequest, context: grpc.ServicerContext
    ) -> Iterator[campaign_pb2.WatchCampaignResponse]:
        state = campaign_pb2.CAMPAIGN_STATE_COMPLETED
        if request.campaign_id == "13":
            state = campaign_pb2.CAMPAIGN_STATE_FAILED
        yield campaign_pb2.WatchCampaignResponse(campaign=_campaign(request.campaign_id, state))


def test_the_list_shows_where_each_campaign_stands() -> None:
    servicer = _Campaigns()
    with serving(campaigns=servicer) as address:
        table = espalier("campaign", "list", "--limit", "3", "--address", address)
        assert servicer.list_request.page_size == 3
        none = espalier("campaign", "list", "--provider", "x", "--address", address)
    row = ["7", "acme", "sending", "1,234", "1,234", "0", "Hi"]
    assert table.stdout.splitlines()[1].split() == row
    assert "There is no such campaign" in none.stdout


def test_the_list_as_json_has_the_names_of_the_api() -> None:
    with serving(campaigns=_Campaigns()) as address:
        result = espalier("campaign", "list", "--json", "--address", address)
    (campaign,) = json.loads(result.stdout)["campaigns"]
    assert (campaign["campaign_id"], campaign["counts"]["total"]) == ("7", "1234")


@pytest.mark.parametrize(
    ("arguments", "state", "reason"),
    [
        (("show", "7"), "CAMPAIGN_STATE_SENDING", ""),
        (("pause", "7", "--reason", "wait"), "CAMPAIGN_STATE_PAUSED", "wait"),
        (("resume", "7"), "CAMPAIGN_STATE_SENDING", ""),
        (("cancel", "7", "--reason", "a typo"), "CAMPAIGN_STATE_CANCELLED", "a typo"),
        (("watch", "7"), "CAMPAIGN_STATE_COMPLETED", ""),
    ],
)
def test_each_command_calls_its_rpc_and_shows_the_campaign(
    arguments: tuple[str, ...], state: str, reason: str
) -> None:
    with serving(campaigns=_Campaigns()) as address:
        result = espalier("campaign", *arguments, "--json", "--address", address)
    assert result.exit_code == 0, result.output
    campaign = json.loads(result.stdout)
    assert (campaign["campaign_id"], campaign["state"]) == ("7", state)
    assert campaign["state_reason"] == reason


def test_watching_a_campaign_that_fails_ends_with_exit_code_1() -> None:
    with serving(campaigns=_Campaigns()) as address:
        result = espalier("campaign", "watch", "13", "--address", address)
    assert result.exit_code == 1
    assert "failed" in result.stdout


def test_the_list_can_be_narrowed_down_to_states() -> None:
    servicer = _Campaigns()
    with serving(campaigns=servicer) as address:
        espalier("campaign", "list", "--state", "paused", "--state", "failed", "--address", address)
    assert list(servicer.list_request.states) == [
        campaign_pb2.CAMPAIGN_STATE_PAUSED,
        campaign_pb2.CAMPAIGN_STATE_FAILED,
    ]


class _WithUnknown:
    """Its campaign has ended; some messages were rejected, and the outcome of others was lost."""

    def GetCampaign(
        self, request: campaign_pb2.GetCampaignRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.GetCampaignResponse:
        campaign = _campaign(request.campaign_id, campaign_pb2.CAMPAIGN_STATE_COMPLETED)
        campaign.counts.unknown = 12
        campaign.counts.rejected = 4
        return campaign_pb2.GetCampaignResponse(campaign=campaign)


def test_rejected_and_unknown_messages_are_shown_with_what_can_be_done_about_them() -> None:
    with serving(campaigns=_WithUnknown()) as address:
        result = espalier("campaign", "show", "7", "--address", address)
    assert "4 rejected: see why with `espalier campaign messages 7 --state rejected`" in (
        result.stdout
    )
    assert "12 unknown: the request left and its answer was lost" in result.stdout
    assert "espalier campaign messages 7 --state unknown" in result.stdout
    assert "espalier campaign resolve 7 --resend` or `--abandon`" in result.stdout


class _WithCallbacks:
    def GetCampaign(
        self, request: campaign_pb2.GetCampaignRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.GetCampaignResponse:
        campaign = _campaign(request.campaign_id, campaign_pb2.CAMPAIGN_STATE_COMPLETED)
        counts = campaign_pb2.MessageCounts(
            total=1_000,
            accepted=10,
            delivered=846,
            soft_bounced=14,
            hard_bounced=10,
            unsubscribed=5,
            complained=2,
            clicked=113,
        )
        campaign.counts.CopyFrom(counts)
        return campaign_pb2.GetCampaignResponse(campaign=campaign)


def test_who_clicked_unsubscribed_or_complained_counts_as_delivered_too() -> None:
    with serving(campaigns=_WithCallbacks()) as address:
        result = espalier("campaign", "show", "7", "--address", address)
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[lines.index("Taken by provider 1,000 (100.0%)") + 1 :] == [
        "Delivered 966 (96.6%)",
        "Soft bounced 14 (1.4%)",
        "Hard bounced 10 (1.0%)",
        "Unsubscribed 5 (0.5%)",
        "Complained 2 (0.2%)",
        "Clicked 113 (11.3%)",
    ]


def test_resolving_sends_all_unknown_messages_again_or_gives_up_the_named_ones() -> None:
    servicer = _Campaigns()
    with serving(campaigns=servicer) as address:
        resend = espalier("campaign", "resolve", "7", "--resend", "--address", address)
        assert servicer.resolve_request == campaign_pb2.ResolveUnknownMessagesRequest(
            campaign_id="7", action=campaign_pb2.UNKNOWN_MESSAGE_ACTION_RESEND
        )
        two = ("--message", "m-1", "--message", "m-2")
        abandon = espalier("campaign", "resolve", "7", "--abandon", *two, "--address", address)
    assert "Queued again: 1,000." in resend.stdout
    assert "espalier campaign watch 7" in resend.stdout
    assert abandon.stdout.splitlines() == [
        "Given up: 1,000.",
        "Left alone, since they were not unknown: 2.",
    ]
    assert servicer.resolve_request == campaign_pb2.ResolveUnknownMessagesRequest(
        campaign_id="7",
        action=campaign_pb2.UNKNOWN_MESSAGE_ACTION_ABANDON,
        message_ids=["m-1", "m-2"],
    )


def test_resolving_wants_to_be_told_which_of_the_two() -> None:
    result = espalier("campaign", "resolve", "7")
    assert result.exit_code == 2
    assert "--resend" in result.stderr
    assert "--abandon" in result.stderr


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NotFound("campaign", "7"), "espalier campaign list"),
        (NotFound("message", "m-1"), "espalier campaign messages CAMPAIGN"),
        (
            NotFound("message of campaign 7 to", "a@x.example"),
            "espalier campaign messages CAMPAIGN",
        ),
    ],
)
def test_what_is_not_there_is_told_with_where_to_look(error: NotFound, says: str) -> None:
    class Empty:
        def GetCampaign(
            self, request: campaign_pb2.GetCampaignRequest, context: grpc.ServicerContext
        ) -> None:
            refuse_as_the_service_does(context, error)

    with serving(campaigns=Empty()) as address:
        result = espalier("campaign", "show", "7", "--address", address)
    assert result.exit_code == 3
    assert result.stderr.splitlines()[0] == f"Not found: {error}"
    assert says in result.stderr


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(9_999, 10_000, " (99.9%)"), (1, 1, " (100.0%)"), (0, 7, " (0.0%)"), (0, 0, "")],
)
def test_a_rate_says_100_percent_of_all_alone(part: int, whole: int, shown: str) -> None:
    assert rate(part, whole) == shown
