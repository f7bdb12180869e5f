"""The commands `espalier campaign …`."""

from __future__ import annotations

from typing import Annotated

import typer

from entrypoints.cli.client import CALL_TIMEOUT, DEFAULT_ADDRESS, Address, Client, run
from entrypoints.cli.output import Json, as_dict, enum_text, print_json, print_table, time_text
from entrypoints.cli.progress import end_with_state, print_summary, watch
from espalier.v1 import campaign_pb2

app = typer.Typer(no_args_is_help=True, help="Follow and steer campaigns.")

CampaignId = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="The campaign's id, digits.")]
Reason = Annotated[str, typer.Option(help="Why, for those who look at it later.")]


@app.command("list")
def list_(
    provider: Annotated[str, typer.Option(help="Only those of this provider.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most campaigns to show.")] = 50,
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List campaigns, newest first."""

    async def work(client: Client) -> campaign_pb2.ListCampaignsResponse:
        request = campaign_pb2.ListCampaignsRequest(page_size=limit, provider=provider)
        return await client.campaigns.ListCampaigns(request, timeout=CALL_TIMEOUT)

    campaigns = run(address, work).campaigns
    if json:
        print_json({"campaigns": [as_dict(campaign) for campaign in campaigns]})
        return
    print_table(
        ("CAMPAIGN", "PROVIDER", "STATE", "RECIPIENTS", "WAITING", "CREATED", "SUBJECT"),
        (_row(campaign) for campaign in campaigns),
        "There is no campaign yet. Send one with `espalier send`.",
    )


@app.command("show")
def show(campaign_id: CampaignId, json: Json = False, address: Address = DEFAULT_ADDRESS) -> None:
    """Show one campaign with its counts."""

    async def work(client: Client) -> campaign_pb2.Campaign:
        request = campaign_pb2.GetCampaignRequest(campaign_id=campaign_id)
        return (await client.campaigns.GetCampaign(request, timeout=CALL_TIMEOUT)).campaign

    _print(run(address, work), json)


@app.command("watch")
def watch_(campaign_id: CampaignId, json: Json = False, address: Address = DEFAULT_ADDRESS) -> None:
    """Follow a campaign until it ends, or is paused. The exit code is 0 if it was completed."""

    async def work(client: Client) -> campaign_pb2.Campaign:
        return await watch(client, campaign_id)

    campaign = run(address, work)
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

    _print(run(address, work), json)


@app.command("resume")
def resume(campaign_id: CampaignId, json: Json = False, address: Address = DEFAULT_ADDRESS) -> None:
    """Go on with a paused campaign."""

    async def work(client: Client) -> campaign_pb2.Campaign:
        request = campaign_pb2.ResumeCampaignRequest(campaign_id=campaign_id)
        return (await client.campaigns.ResumeCampaign(request, timeout=CALL_TIMEOUT)).campaign

    _print(run(address, work), json)


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
        time_text(campaign, "create_time"),
        campaign.name or campaign.subject,
    )
