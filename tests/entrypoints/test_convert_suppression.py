from dataclasses import replace

import pytest

from domain.message_id import MessageIds, MessageKind, MessageRef
from domain.suppression import Suppression, SuppressionReason
from entrypoints.convert.suppression import REASONS, to_suppression
from espalier.v1 import suppression_pb2

IDS = MessageIds(b"0123456789abcdef")
BOUNCED = Suppression(
    email="Ada@Example.com",
    key="ada@example.com",
    reason=SuppressionReason.HARD_BOUNCE,
    detail="no such mailbox",
    event_position=12,
    campaign_number=7,
    ordinal=4,
    provider="acme",
    created_at=100.5,
)


def test_a_suppression_names_what_it_came_from() -> None:
    shown = to_suppression(BOUNCED, IDS)
    assert shown.email == "ada@example.com"
    assert shown.reason == suppression_pb2.SUPPRESSION_REASON_HARD_BOUNCE
    assert (shown.detail, shown.provider, shown.campaign_id) == ("no such mailbox", "acme", "7")
    assert IDS.read(shown.message_id) == MessageRef(MessageKind.CAMPAIGN, 7, 4)
    assert (shown.create_time.seconds, shown.create_time.nanos) == (100, 500_000_000)


@pytest.mark.parametrize(
    ("reason", "event_id"),
    [
        # A hard bounce raises Notification Failed first.
        (SuppressionReason.HARD_BOUNCE, "12.1"),
        (SuppressionReason.UNSUBSCRIBED, "12.0"),
        (SuppressionReason.COMPLAINT, "12.0"),
    ],
)
def test_the_source_is_the_event_that_unsubscribed(
    reason: SuppressionReason, event_id: str
) -> None:
    assert to_suppression(replace(BOUNCED, reason=reason), IDS).source_event_id == event_id


def test_a_suppression_that_a_person_added_has_no_source() -> None:
    added = Suppression(
        email="a@example.com", key="a@example.com", reason=SuppressionReason.MANUAL, created_at=1.0
    )
    shown = to_suppression(added, IDS)
    assert shown.reason == suppression_pb2.SUPPRESSION_REASON_MANUAL
    assert (shown.source_event_id, shown.campaign_id, shown.message_id, shown.provider) == (
        "",
        "",
        "",
        "",
    )


def test_every_reason_has_its_number() -> None:
    numbers = [REASONS.to_proto[reason] for reason in SuppressionReason]
    assert REASONS.read_all(numbers, "reason") == tuple(SuppressionReason)
