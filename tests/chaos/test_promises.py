"""Each promise, broken once: a check that cannot fail would prove nothing."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.chaos.plan import Mode, Plan
from tests.chaos.promises import Account, CampaignSeen, Seen, broken, broken_by_resending, gone
from tests.chaos.service import Victim

TAKEN, TWICE = Seen("a", "ACCEPTED", 1), Seen("a", "ACCEPTED", 2)
IN_DOUBT, DOUBTFUL_AND_TAKEN = Seen("b", "UNKNOWN", 0), Seen("b", "UNKNOWN", 1)
CLAIMED = Seen("c", "ACCEPTED", 0)


def plan(mode: Mode, *, batch: int = 1) -> Plan:
    return Plan(mode=mode, batch=batch, messages=2, seconds=1.0, seed=0, max_in_flight=1)


def campaign(*messages: Seen) -> CampaignSeen:
    """One whose listings and counts agree."""
    counts = Counter(message.state.lower() for message in messages)
    return CampaignSeen(
        campaign_id="1",
        recipients=len(messages),
        state="COMPLETED",
        counts={"total": len(messages), **counts},
        messages=messages,
        listed_unknown=[m.message_id for m in messages if m.state == "UNKNOWN"],
    )


def account(*messages: Seen, seen: CampaignSeen | None = None) -> Account:
    """What one kill of everything has left."""
    return Account(
        campaigns=[seen or campaign(*messages)],
        kills={Victim.EVERYTHING: 1},
        lost_answers=0,
        distinct=sum(message.times > 0 for message in messages),
        key_conflicts=0,
    )


@pytest.mark.parametrize(
    ("mode", "messages"),
    [
        (Mode.AT_MOST_ONCE, [TAKEN, IN_DOUBT]),
        (Mode.AT_MOST_ONCE, [TAKEN, DOUBTFUL_AND_TAKEN]),
        (Mode.AT_LEAST_ONCE, [TAKEN]),
        (Mode.AT_LEAST_ONCE, [TWICE]),
        (Mode.IDEMPOTENT, [TAKEN]),
    ],
)
def test_what_a_guarantee_allows_is_no_fault(mode: Mode, messages: list[Seen]) -> None:
    assert broken(plan(mode), account(*messages)) == []


@pytest.mark.parametrize(
    ("mode", "messages", "fault"),
    [
        (Mode.AT_MOST_ONCE, [TWICE], "accepted twice: 1 messages, such as a"),
        (Mode.AT_MOST_ONCE, [CLAIMED], "never accepted though the service says so"),
        (Mode.AT_MOST_ONCE, [Seen("a", "REJECTED", 0)], "neither accepted nor unknown"),
        (Mode.AT_MOST_ONCE, [Seen("a", "QUEUED", 0)], "neither accepted nor unknown"),
        (Mode.AT_MOST_ONCE, [IN_DOUBT, Seen("c", "UNKNOWN", 0)], "2 messages are unknown"),
        (Mode.AT_LEAST_ONCE, [CLAIMED], "never accepted"),
        (Mode.AT_LEAST_ONCE, [DOUBTFUL_AND_TAKEN], "unknown: 1 messages"),
        (Mode.IDEMPOTENT, [CLAIMED], "never accepted"),
        (Mode.IDEMPOTENT, [TWICE], "accepted twice"),
    ],
)
def test_a_message_against_the_guarantee_is_a_fault(
    mode: Mode, messages: list[Seen], fault: str
) -> None:
    assert fault in " ".join(broken(plan(mode), account(*messages)))


def test_a_batch_in_flight_may_leave_all_its_messages_in_doubt() -> None:
    in_doubt = account(IN_DOUBT, Seen("c", "UNKNOWN", 0))
    assert broken(plan(Mode.AT_MOST_ONCE, batch=2), in_doubt) == []


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        (gone("1", 1), "was acknowledged, and the service does not know it"),
        (replace(campaign(TAKEN), state="SENDING"), "has not ended: SENDING"),
        (replace(campaign(TAKEN), recipients=2), "has 2 recipients, 1 messages"),
        (replace(campaign(TAKEN), counts={"total": 1}), "counts {'total': 1}"),
        (replace(campaign(TAKEN), counts={"total": 1, "unknown": 1}), "counts {'unknown': 1}"),
        (replace(campaign(TAKEN, IN_DOUBT), listed_unknown=["a"]), "lists 1 unknown"),
    ],
)
def test_a_campaign_whose_account_does_not_agree_is_a_fault(seen: CampaignSeen, fault: str) -> None:
    assert fault in " ".join(broken(plan(Mode.AT_MOST_ONCE), account(TAKEN, seen=seen)))


def test_a_message_that_nobody_knows_of_is_a_fault() -> None:
    (fault,) = broken(plan(Mode.AT_LEAST_ONCE), replace(account(TAKEN), distinct=2))
    assert fault == "the ESP accepted 1 messages that no campaign lists"


def test_a_key_that_repeats_with_other_bytes_is_a_fault() -> None:
    (fault,) = broken(plan(Mode.IDEMPOTENT), replace(account(TAKEN), key_conflicts=1))
    assert "other bytes" in fault


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        ([TAKEN, Seen("b", "ACCEPTED", 1)], ""),
        ([TAKEN, IN_DOUBT], "in doubt though resent"),
        ([TAKEN, Seen("b", "ACCEPTED", 0)], "never accepted"),
        ([TWICE, Seen("b", "ACCEPTED", 1)], "more often than RESEND asked for"),
        ([TAKEN, Seen("b", "ACCEPTED", 2)], "more often than RESEND asked for"),
    ],
)
def test_a_resend_sends_what_was_unknown_once_more_and_nothing_else(
    after: list[Seen], fault: str
) -> None:
    faults = broken_by_resending(account(TAKEN, IN_DOUBT), account(*after))
    assert fault in " ".join(faults)
    assert bool(faults) == bool(fault)
