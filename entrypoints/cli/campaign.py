"""The commands `espalier campaign …`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Annotated, Any

import typer

from entrypoints.cli.client import CALL_TIMEOUT, DEFAULT_ADDRESS, Address, Client, run
from entrypoints.cli.completion import campaign_ids, nicknames
from entrypoints.cli.messages import message, messages
from entrypoints.cli.output import Json, as_dict, enum_text, print_json, print_table, time_text
from entrypoints.cli.paging import Limit, whole_list
from entrypoints.cli.preview import preview
from entrypoints.cli.progress import goes_on, watch
from entrypoints.cli.resolve import resolve
from entrypoints.cli.summary import end_with_state, print_summary
from espalier.v1 import campaign_pb2

app = typer.Typer(
    no_args_is_help=True,
    help="Preview, follow and steer campaigns, and see what became of each message.",
)

CampaignId = Annotated[
    str,
    typer.Argument(
        metavar="CAMPAIGN", help="The campaign's id, digits.", autocompletion=campaign_ids
    ),
]
Reason = Annotated[str, typer.Option(help="Why, for those who look at it later.")]


class State(StrEnum):
    """Where a campaign stands."""

    SCHEDULED = "scheduled"
    SENDING = "sending"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


@app.command("list")
def list_(
    provider: Annotated[
        str, typer.Option(help="Only those of this provider.", autocompletion=nicknames)
    ] = "",
    state: Annotated[
        list[State] | None, typer.Option(help="Only those in this state. May be repeated.")
    ] = None,
    limit: Limit = 50,
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List campaigns, newest first."""

    async def work(client: Client) -> list[campaign_pb2.Campaign]:
        request = campaign_pb2.ListCampaignsRequest(
            provider=provider,
            states=[
                campaign_pb2.CampaignState.Value(f"CAMPAIGN_STATE_{s.name}") for s in state or ()
            ],
        )
        return await whole_list(client.campaigns.ListCampaigns, request, "campaigns", limit=limit)

    campaigns = run(address, work)
    if json:
        print_json({"campaigns": [as_dict(campaign) for campaign in campaigns]})
        return
    print_table(
        ("CAMPAIGN", "PROVIDER", "STATE", "RECIPIENTS", "WAITING", "UNKNOWN", "CREATED", "SUBJECT"),
        (_row(campaign) for campaign in campaigns),
        "There is no such campaign."
        if provider or state
        else "There is no campaign yet. Send one with `espalier send`.",
    )


@app.command("show")
def show(campaign_id: CampaignId, json: Json = False, address: Address = DEFAULT_ADDRESS) -> None:
    """Show one campaign with its counts, and what to do where it needs somebody."""

    async def work(client: Client) -> campaign_pb2.Campaign:
        request = campaign_pb2.GetCampaignRequest(campaign_id=campaign_id)
        return (await client.campaigns.GetCampaign(request, timeout=CALL_TIMEOUT)).campaign

    _show(address, work, json)


@app.command("watch")
def watch_(campaign_id: CampaignId, json: Json = False, address: Address = DEFAULT_ADDRESS) -> None:
    """Follow a campaign until it ends, or is paused. The exit code is 0 if it was completed.

    A scheduled campaign is waited for, and so is a service that restarts. Ctrl-C ends the watch
    alone: the campaign goes on.
    """

    async def work(client: Client) -> campaign_pb2.Campaign:
        return await watch(client, campaign_id)

    campaign = run(address, work, interrupted=goes_on(campaign_id))
    _print(campaign, json)
    end_with_state(campaign)


@app.command("pause")
def pause(
    campaign_id: CampaignId,
    reason: Reason = "",
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Stop sending for now; requests in flight end."""

    async def work(client: Client) -> campaign_pb2.Campaign:
        request = campaign_pb2.PauseCampaignRequest(campaign_id=campaign_id, reason=reason)
        return (await client.campaigns.PauseCampaign(request, timeout=CALL_TIMEOUT)).campaign

    _show(address, work, json)


@app.command("resume")
def resume(campaign_id: CampaignId, json: Json = False, address: Address = DEFAULT_ADDRESS) -> None:
    """Go on with a paused campaign where it was."""

    async def work(client: Client) -> campaign_pb2.Campaign:
        request = campaign_pb2.ResumeCampaignRequest(campaign_id=campaign_id)
        return (await client.campaigns.ResumeCampaign(request, timeout=CALL_TIMEOUT)).campaign

    _show(address, work, json)


@app.command("cancel")
def cancel(
    campaign_id: CampaignId,
    reason: Reason = "",
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """End a campaign for good: what has not left is not sent."""

    async def work(client: Client) -> campaign_pb2.Campaign:
        request = campaign_pb2.CancelCampaignRequest(campaign_id=campaign_id, reason=reason)
        return (await client.campaigns.CancelCampaign(request, timeout=CALL_TIMEOUT)).campaign

    _show(address, work, json)


app.command("resolve")(resolve)
app.command("messages")(messages)
app.command("message")(message)
app.command("preview")(preview)


def _show(
    address: str,
    work: Callable[[Client], Coroutine[Any, Any, campaign_pb2.Campaign]],
    json: bool,
) -> None:
    _print(run(address, work), json)


def _print(campaign: campaign_pb2.Campaign, json: bool) -> None:
    if json:
        print_json(as_dict(campaign))
    else:
        print_summary(campaign)


def _row(campaign: campaign_pb2.Campaign) -> tuple[str, ...]:
    counts = campaign.counts
    return (
        campaign.campaign_id,
        campaign.provider,
        enum_text(campaign, "state"),
        f"{counts.total:,}",
        f"{counts.queued + counts.sending:,}",
        f"{counts.unknown:,}",
        time_text(campaign, "create_time"),
        campaign.name or campaign.subject,
    )
