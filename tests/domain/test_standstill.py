import pytest

from domain.circuit import CLOSED, FAILURES_TO_OPEN, Circuit
from domain.standstill import standstill

# 2025-06-15 15:06:40 UTC.
NOW = 1_750_000_000.0
ASKED = "the ESP answered 429 with Retry-After"
DOWN = "the ESP answered 503"


def opened(until: float) -> Circuit:
    return Circuit(failures=FAILURES_TO_OPEN, opened=1, open_until=until, reason=DOWN)


@pytest.mark.parametrize(
    ("paused_until", "circuit", "said"),
    [
        (None, CLOSED, ""),
        (NOW, CLOSED, ""),
        (None, Circuit(failures=3, reason=DOWN), ""),
        (NOW + 30, CLOSED, f"waiting: {ASKED}; the next try is at 15:07:10 UTC"),
        (NOW + 30.2, CLOSED, f"waiting: {ASKED}; the next try is at 15:07:11 UTC"),
        (None, opened(NOW + 5), f"waiting: {DOWN}; the next try is at 15:06:45 UTC"),
        (NOW + 30, opened(NOW + 5), f"waiting: {ASKED}; the next try is at 15:07:10 UTC"),
        (NOW + 3, opened(NOW + 5), f"waiting: {DOWN}; the next try is at 15:06:45 UTC"),
        (
            None,
            opened(NOW),
            f"waiting: {DOWN}; one request at a time is tried, to see if it is over",
        ),
        (NOW + 30, opened(NOW), f"waiting: {ASKED}; the next try is at 15:07:10 UTC"),
        # Set before the clock was put back by more than an hour.
        (NOW + 3700, CLOSED, ""),
    ],
)
def test_what_is_waited_for_is_said_with_the_time_of_the_next_try(
    paused_until: float | None, circuit: Circuit, said: str
) -> None:
    assert standstill(paused_until, ASKED, circuit, now=NOW) == said
