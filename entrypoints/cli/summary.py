"""A campaign's summary, which a person can read."""

from __future__ import annotations

import typer

from entrypoints.cli.failures import EXIT_FAILED
from entrypoints.cli.output import enum_text, print_facts, time_text
from espalier.v1 import campaign_pb2

_PAUSED = campaign_pb2.CAMPAIGN_STATE_PAUSED
_ENDED = (
    campaign_pb2.CAMPAIGN_STATE_COMPLETED,
    campaign_pb2.CAMPAIGN_STATE_CANCELLED,
    campaign_pb2.CAMPAIGN_STATE_FAILED,
)
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


def print_summary(campaign: campaign_pb2.Campaign) -> None:
    """Print how a campaign stands, with the rates of what the provider took, and what to do."""
    print_facts(_facts(campaign) | _count_facts(campaign.counts))
    if campaign.state == _PAUSED:
        typer.echo(
            f"It is paused. Once the cause is dealt with, go on with "
            f"`espalier campaign resume {campaign.campaign_id}`."
        )
    if campaign.counts.rejected:
        typer.echo(
            f"{campaign.counts.rejected:,} rejected: see why with `espalier campaign messages "
            f"{campaign.campaign_id} --state rejected`."
        )
    if campaign.counts.unknown:
        typer.echo(_about_unknown(campaign))


def taken(counts: campaign_pb2.MessageCounts) -> int:
    """Return how many messages the provider ever took."""
    return sum(int(getattr(counts, field)) for field in _TAKEN)


def delivered(counts: campaign_pb2.MessageCounts) -> int:
    """Return how many messages arrived: who clicks, unsubscribes or complains had it before."""
    return counts.delivered + counts.clicked + counts.unsubscribed + counts.complained


def rate(part: int, whole: int) -> str:
    """Return ` (12.3%)`, rounded down, so that 100% is all; nothing where there is no whole."""
    return f" ({1000 * part // whole / 10}%)" if whole else ""


def has_ended(campaign: campaign_pb2.Campaign) -> bool:
    return campaign.state in _ENDED


def end_with_state(campaign: campaign_pb2.Campaign) -> None:
    """End the command with exit code 1 unless the campaign was completed."""
    if campaign.state != campaign_pb2.CAMPAIGN_STATE_COMPLETED:
        raise typer.Exit(EXIT_FAILED)


def _about_unknown(campaign: campaign_pb2.Campaign) -> str:
    number, unknown = campaign.campaign_id, campaign.counts.unknown
    return (
        f"{unknown:,} unknown: the request left and its answer was lost, so the message may have "
        "arrived. A callback may still tell.\n"
        f"See which with `espalier campaign messages {number} --state unknown`; send them again or "
        f"give them up with `espalier campaign resolve {number} --resend` or `--abandon`."
    )


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
    accepted = taken(counts)
    facts = {
        "Recipients": f"{counts.total:,}",
        "Taken by provider": f"{accepted:,}{rate(accepted, counts.total)}",
    }
    for field in (*_WAITING, *_OTHERS):
        number = int(getattr(counts, field))
        facts[_label(field)] = f"{number:,}" if number else ""
    for field in _TAKEN[1:]:
        number = delivered(counts) if field == "delivered" else int(getattr(counts, field))
        facts[_label(field)] = f"{number:,}{rate(number, accepted)}" if number else ""
    return facts


def _label(field: str) -> str:
    return field.replace("_", " ").capitalize()
