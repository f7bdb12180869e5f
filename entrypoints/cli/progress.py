"""Watching a campaign: a progress bar while it is sent, and a summary that a person can read."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from entrypoints.cli.client import Client
from entrypoints.cli.failures import EXIT_FAILED
from entrypoints.cli.output import enum_text, print_facts, time_text
from espalier.v1 import campaign_pb2

_PAUSED = campaign_pb2.CAMPAIGN_STATE_PAUSED
_TAKEN = (
    "accepted",
    "delivered",
    "soft_bounced",
    "hard_bounced",
    "unsubscribed",
    "complained",
    "clicked",
)
# Of the states, those that say something only if there are any.
_OTHERS = ("rejected", "suppressed", "duplicate", "unknown", "cancelled", "expired")
_WAITING = ("queued", "sending")


async def watch(client: Client, campaign_id: str) -> campaign_pb2.Campaign:
    """Follow a campaign until it has ended or is paused, and return how it stood then.

    The progress bar is drawn on standard error, and only on a terminal.
    """
    request = campaign_pb2.WatchCampaignRequest(campaign_id=campaign_id)
    campaign = campaign_pb2.Campaign(campaign_id=campaign_id)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not Console(stderr=True).is_terminal,
    ) as progress:
        task = progress.add_task("waiting", total=None)
        async for response in client.campaigns.WatchCampaign(request):
            campaign = response.campaign
            counts = campaign.counts
            progress.update(
                task,
                description=enum_text(campaign, "state"),
                total=counts.total,
                completed=counts.total - counts.queued - counts.sending,
            )
            if campaign.state == _PAUSED:
                break
    return campaign


def print_summary(campaign: campaign_pb2.Campaign) -> None:
    """Print how a campaign stands, with the rates of what the provider took."""
    print_facts(_facts(campaign) | _count_facts(campaign.counts))
    if campaign.state == _PAUSED:
        typer.echo(
            f"It is paused. Once the cause is dealt with, go on with "
            f"`espalier campaign resume {campaign.campaign_id}`."
        )


def end_with_state(campaign: campaign_pb2.Campaign) -> None:
    """End the command with exit code 1 unless the campaign was completed."""
    if campaign.state != campaign_pb2.CAMPAIGN_STATE_COMPLETED:
        raise typer.Exit(EXIT_FAILED)


def _facts(campaign: campaign_pb2.Campaign) -> dict[str, str]:
    return {
        "Campaign": campaign.campaign_id,
        "Name": campaign.name,
        "Subject": campaign.subject,
        "Provider": campaign.provider,
        "Request id": campaign.request_id,
        "State": enum_text(campaign, "state"),
        "Because": campaign.state_reason,
        "Accepted at": time_text(campaign, "create_time"),
        "Starts at": time_text(campaign, "send_at"),
        "Ended at": time_text(campaign, "end_time"),
    }


def _count_facts(counts: campaign_pb2.MessageCounts) -> dict[str, str]:
    taken = sum(int(getattr(counts, field)) for field in _TAKEN)
    facts = {
        "Recipients": f"{counts.total:,}",
        "Taken by provider": f"{taken:,}{_rate(taken, counts.total)}",
    }
    for field in (*_WAITING, *_OTHERS):
        number = int(getattr(counts, field))
        facts[_label(field)] = f"{number:,}" if number else ""
    for field in _TAKEN[1:]:
        number = int(getattr(counts, field))
        facts[_label(field)] = f"{number:,}{_rate(number, taken)}" if number else ""
    return facts


def _label(field: str) -> str:
    return field.replace("_", " ").capitalize()


def _rate(part: int, whole: int) -> str:
    return f" ({part / whole:.1%})" if whole else ""
