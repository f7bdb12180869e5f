"""Suppressions: reasons are stored by name, so the names are fixed."""

from domain.address import address_key
from domain.suppression import Suppression, SuppressionReason


def test_the_names_of_the_reasons_are_those_that_are_stored() -> None:
    assert list(SuppressionReason) == ["HARD_BOUNCE", "UNSUBSCRIBED", "COMPLAINT", "MANUAL"]


def test_a_suppression_by_hand_names_no_message() -> None:
    by_hand = Suppression(
        email="Sara@Example.com",
        key=address_key("Sara@Example.com"),
        reason=SuppressionReason.MANUAL,
        created_at=1_700_000_000.0,
    )
    assert by_hand.key == "sara@example.com"
    assert (by_hand.event_position, by_hand.campaign_number, by_hand.ordinal) == (None, None, None)
