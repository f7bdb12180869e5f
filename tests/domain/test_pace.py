import pytest

from domain.pace import slot

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
