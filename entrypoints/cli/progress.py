"""Watching a campaign: a progress bar while it is sent."""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from entrypoints.cli.client import Client
from entrypoints.cli.output import enum_text, time_text
from entrypoints.cli.resuming import resumed
from espalier.v1 import campaign_pb2

# Seconds that a watch waits for a service that has gone: longer than it takes to drain and restart.
_PATIENCE: Final = 120.0

_PAUSED = campaign_pb2.CAMPAIGN_STATE_PAUSED


async def watch(client: Client, campaign_id: str) -> campaign_pb2.Campaign:
    """Follow a campaign until it has ended or is paused, and return how it stood then.

    A service that goes away is waited for. All that is shown goes to standard error: a progress
    bar on a terminal, elsewhere a line for each change of state.
    """
    request = campaign_pb2.WatchCampaignRequest(campaign_id=campaign_id)
    campaign = campaign_pb2.Campaign(campaign_id=campaign_id)
    with _View() as view:
        stream = resumed(lambda: client.campaigns.WatchCampaign(request), patience=_PATIENCE)
        async with aclosing(stream) as responses:
            async for response in responses:
                campaign = response.campaign
                view.show(campaign)
                if campaign.state == _PAUSED:
                    break
    return campaign


def goes_on(campaign_id: str) -> str:
    """Return what Ctrl-C is answered with while a campaign is watched."""
    return (
        f"The watch has ended; campaign {campaign_id} goes on. Watch it again with `espalier "
        f"campaign watch {campaign_id}`, stop it with `espalier campaign pause {campaign_id}`."
    )


class _View:
    """What standard error shows of a campaign that is watched."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("waiting", total=None)
        self._told = ""

    def __enter__(self) -> _View:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, campaign: campaign_pb2.Campaign) -> None:
        counts = campaign.counts
        unknown = f", {counts.unknown:,} unknown" if counts.unknown else ""
        self._bar.update(
            self._task,
            description=enum_text(campaign, "state") + unknown,
            total=counts.total,
            completed=counts.total - counts.queued - counts.sending,
        )
        self._tell(_standing(campaign))

    def _tell(self, standing: str) -> None:
        if standing != self._told:
            self._told = standing
            self._console.print(Text(standing), soft_wrap=True)


def _standing(campaign: campaign_pb2.Campaign) -> str:
    """Return a sentence that stays the same while nothing but counts changes."""
    said = f"Campaign {campaign.campaign_id} is {enum_text(campaign, 'state')}"
    if campaign.state == campaign_pb2.CAMPAIGN_STATE_SCHEDULED:
        said += f" to start at {time_text(campaign, 'send_at')}"
    return f"{said}: {campaign.state_reason}" if campaign.state_reason else f"{said}."
