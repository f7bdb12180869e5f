"""What was promised, held against what the service and the ESP say of every message."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.chaos.plan import Mode, Plan
from tests.chaos.service import Victim

# Every message of a chaos run can be sent, and the ESP refuses none for good.
_FINAL_STATES = {"ACCEPTED", "UNKNOWN"}
GONE = "GONE"


class Seen(NamedTuple):
    """A message: its state by the service, and how many times the ESP accepted it."""

    message_id: str
    state: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSeen:
    """A campaign at the end. `listed_unknown` is what the listing of unknown messages gave."""

    campaign_id: str
    recipients: int
    state: str
    counts: Mapping[str, int]
    messages: Sequence[Seen]
    listed_unknown: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All that is known at the end of a round.

    `distinct` is how many message ids the ESP ever accepted, `lost_answers` how many requests it
    left without an answer, `key_conflicts` how many came under the key of other ones.
    """

    campaigns: Sequence[CampaignSeen]
    kills: Mapping[Victim, int]
    lost_answers: int
    distinct: int
    key_conflicts: int

    @property
    def messages(self) -> list[Seen]:
        return [message for campaign in self.campaigns for message in campaign.messages]

    def number(self, which: Callable[[Seen], bool]) -> int:
        return sum(which(message) for message in self.messages)


def gone(campaign_id: str, recipients: int) -> CampaignSeen:
    """A campaign that was acknowledged, and that the service does not know."""
    return CampaignSeen(
        campaign_id=campaign_id,
        recipients=recipients,
        state=GONE,
        counts={},
        messages=(),
        listed_unknown=(),
    )


def twice(message: Seen) -> bool:
    return message.times > 1


def never(message: Seen) -> bool:
    return message.times == 0


def unknown(message: Seen) -> bool:
    return message.state == "UNKNOWN"


def broken(plan: Plan, account: Account) -> list[str]:
    """A sentence for each promise that was not kept; empty where all were."""
    of_campaigns = (fault for seen in account.campaigns for fault in _in_campaign(seen))
    return [*of_campaigns, *_in_general(account), *_BY_MODE[plan.mode](plan, account)]


def broken_by_resending(before: Account, after: Account) -> list[str]:
    """The same for RESEND of all unknown messages, after which the ESP took everything."""
    times = {message.message_id: message.times for message in before.messages}
    again = {message.message_id for message in before.messages if unknown(message)}

    def sent_too_often(message: Seen) -> bool:
        return message.times > times[message.message_id] + (message.message_id in again)

    return [
        *(fault for seen in after.campaigns for fault in _in_campaign(seen)),
        *_those("in doubt though resent", after.messages, unknown),
        *_those("never accepted though resent", after.messages, never),
        *_those("sent more often than RESEND asked for", after.messages, sent_too_often),
    ]


def _those(what: str, messages: Iterable[Seen], which: Callable[[Seen], bool]) -> Iterator[str]:
    found = [message for message in messages if which(message)]
    if found:
        one = found[0]
        yield (
            f"{what}: {len(found)} messages, such as {one.message_id}, which is {one.state} by "
            f"the service's account and was accepted {one.times} times by the ESP's"
        )


def _in_campaign(seen: CampaignSeen) -> Iterator[str]:
    place = f"campaign {seen.campaign_id}"
    if seen.state == GONE:
        yield f"{place} was acknowledged, and the service does not know it"
        return
    if seen.state != "COMPLETED":
        yield f"{place} has not ended: {seen.state}, {dict(seen.counts)}"
    counts = dict(seen.counts)
    total = counts.pop("total", 0)
    if not total == sum(counts.values()) == len(seen.messages) == seen.recipients:
        yield (
            f"{place} has {seen.recipients} recipients, {len(seen.messages)} messages, "
            f"and counts {dict(seen.counts)}"
        )
    by_state = Counter(message.state.lower() for message in seen.messages)
    if {state: number for state, number in counts.items() if number} != dict(by_state):
        yield f"{place} counts {counts}, but lists {dict(by_state)}"
    if sorted(seen.listed_unknown) != sorted(m.message_id for m in seen.messages if unknown(m)):
        yield f"{place} lists {len(seen.listed_unknown)} unknown messages, and they are others"


def _in_general(account: Account) -> Iterator[str]:
    messages = account.messages
    yield from _those(
        "neither accepted nor unknown", messages, lambda m: m.state not in _FINAL_STATES
    )
    yield from _those(
        "never accepted though the service says so",
        messages,
        lambda message: message.state == "ACCEPTED" and never(message),
    )
    strangers = account.distinct - account.number(lambda message: not never(message))
    if strangers:
        yield f"the ESP accepted {strangers} messages that no campaign lists"


def _at_most_once(plan: Plan, account: Account) -> Iterator[str]:
    yield from _those("accepted twice", account.messages, twice)
    # Where only the API is killed, its dispatchers end what is in flight.
    deadly = sum(times for victim, times in account.kills.items() if victim is not Victim.API)
    most = (deadly * plan.max_in_flight + account.lost_answers) * plan.batch
    in_doubt = account.number(unknown)
    if in_doubt > most:
        yield f"{in_doubt} messages are unknown, and no more than {most} were in flight"


def _at_least_once(_: Plan, account: Account) -> Iterator[str]:
    yield from _those("never accepted", account.messages, never)
    yield from _those("unknown", account.messages, unknown)


def _exactly_once(plan: Plan, account: Account) -> Iterator[str]:
    yield from _at_least_once(plan, account)
    yield from _those("accepted twice", account.messages, twice)
    if account.key_conflicts:
        yield f"{account.key_conflicts} requests were repeated under their key with other bytes"


_BY_MODE: Mapping[Mode, Callable[[Plan, Account], Iterator[str]]] = {
    Mode.AT_MOST_ONCE: _at_most_once,
    Mode.AT_LEAST_ONCE: _at_least_once,
    Mode.IDEMPOTENT: _exactly_once,
}
