"""What came of the demo's campaign, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from entrypoints.cli.summary import delivered, rate, taken
from entrypoints.simulated_esp.state import Counts
from espalier.v1 import campaign_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the campaign and the ESP's own counts stood at the end."""

    campaign: campaign_pb2.Campaign
    esp: Counts
    suppressed_since: int

    def facts(self) -> Mapping[str, str]:
        """Names and values in the order in which they are shown."""
        counts, esp = self.campaign.counts, self.esp
        accepted, arrived = taken(counts), delivered(counts)
        bounced = counts.hard_bounced + counts.soft_bounced
        return {
            "Recipients": f"{counts.total:,}",
            "Suppressed": f"{counts.suppressed:,}{rate(counts.suppressed, counts.total)}: on the "
            "list before, and not mailed",
            "Accepted": f"{accepted:,}{rate(accepted, counts.total)}, in "
            f"{esp['requests']['requests']:,} requests within {self._seconds():.1f} s",
            "Delivered": f"{arrived:,}{rate(arrived, accepted)} of the accepted",
            "Bounced": f"{bounced:,}{rate(bounced, accepted)}: {counts.hard_bounced:,} for good, "
            f"{counts.soft_bounced:,} for now",
            "Unsubscribed": f"{counts.unsubscribed:,}{rate(counts.unsubscribed, accepted)}",
            "Complained": f"{counts.complained:,}{rate(counts.complained, accepted)}",
            "Suppressed since": f"{self.suppressed_since:,} addresses, which get no more campaigns",
            "Checked": f"the ESP counts the same: {esp['messages']['accepted']:,} messages, none "
            f"twice, and {esp['callbacks']['acknowledged']:,} callbacks",
        }

    def _seconds(self) -> float:
        began, ended = self.campaign.create_time, self.campaign.end_time
        return (ended.ToNanoseconds() - began.ToNanoseconds()) / 1e9

    def disagreement(self) -> str:
        """Return where the service and the ESP do not agree; empty where they do."""
        messages, accepted = self.esp["messages"], taken(self.campaign.counts)
        if messages["accepted"] != accepted or messages["accepted_more_than_once"]:
            return (
                f"the service counts {accepted:,} accepted messages, the ESP "
                f"{messages['accepted']:,}, {messages['accepted_more_than_once']:,} of them twice"
            )
        return ""


def reported(counts: campaign_pb2.MessageCounts) -> dict[str, int]:
    """Return how many messages the callbacks have reported, by the callback's type.

    A message counts under its strongest state alone, so that clicks cannot be told from the counts.
    """
    return {
        "delivered": delivered(counts),
        "hard_bounce": counts.hard_bounced,
        "soft_bounce": counts.soft_bounced,
        "unsubscribed": counts.unsubscribed,
        "spam": counts.complained,
    }
