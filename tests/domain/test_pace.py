import pytest

from domain.pace import moved_slots, slot
from domain.provider import Limits

NOW = 1_750_000_000.0


@pytest.mark.parametrize(
    ("free_at", "count", "rate", "starts", "next_free"),
    [
        # No limit: at once, and nothing moves.
        (NOW + 5, 3, None, NOW, NOW + 5),
        # Time that nobody used is not saved up.
        (0.0, 1, 10.0, NOW, NOW + 0.1),
        (NOW - 5, 2, 10.0, NOW, NOW + 0.2),
        (NOW + 5, 1, 10.0, NOW + 5, NOW + 5.1),
        # Hundreds of callers wait for ten seconds each, and no clock was put back.
        (NOW + 2500, 1, 0.1, NOW + 2500, NOW + 2510),
        # Nobody could have taken a slot that far ahead.
        (NOW + 3600, 1, 0.2, NOW, NOW + 5),
        (NOW + 60, 1, 1000.0, NOW, NOW + 0.001),
    ],
)
def test_a_caller_gets_the_free_slot_and_moves_it_on(
    free_at: float, count: int, rate: float | None, starts: float, next_free: float
) -> None:
    found = slot(free_at, now=NOW, count=count, rate=rate)
    assert found == pytest.approx((starts, next_free), abs=1e-4)


def test_a_message_waits_behind_whole_batches() -> None:
    # Each of a hundred others has a batch of a thousand messages before it.
    free_at = NOW + 1000
    assert slot(free_at, now=NOW, count=1, rate=100.0, at_least=1000)[0] == free_at
    assert slot(free_at, now=NOW, count=1, rate=100.0)[0] == NOW


@pytest.mark.parametrize(
    ("free_at", "old", "new", "moved"),
    [
        (NOW + 10, 1.0, 10.0, NOW + 1),
        (NOW + 1, 10.0, 1.0, NOW + 10),
        # What is over stays over.
        (NOW - 10, 1.0, 10.0, NOW - 10),
        # Nothing was taken under no limit, and nothing is waited for.
        (NOW + 10, None, 1.0, NOW),
        (NOW + 10, 1.0, None, NOW),
    ],
)
def test_slots_that_were_taken_ahead_move_with_their_rate(
    free_at: float, old: float | None, new: float | None, moved: float
) -> None:
    requests = {
        "old": Limits(max_requests_per_second=old),
        "new": Limits(max_requests_per_second=new),
    }
    assert moved_slots(free_at, 0.0, **requests, now=NOW) == pytest.approx((moved, 0.0))
    messages = {
        "old": Limits(max_messages_per_second=old),
        "new": Limits(max_messages_per_second=new),
    }
    assert moved_slots(0.0, free_at, **messages, now=NOW) == pytest.approx((0.0, moved))
