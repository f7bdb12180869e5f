import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ahead import is_ahead

NOW = 1_750_000_000.0
SECONDS = st.floats(min_value=0.0, max_value=1e6)


@pytest.mark.parametrize(
    ("until", "waits"),
    [
        (0.0, False),
        (NOW - 1, False),
        (NOW, False),
        (NOW + 0.1, True),
        (NOW + 60, True),
        # What NTP corrects a clock by is nothing that anybody put back.
        (NOW + 60.5, True),
        (NOW + 62, False),
        (NOW + 3600, False),
    ],
)
def test_a_wait_goes_on_until_its_end_unless_it_is_too_long_to_be_one(
    until: float, waits: bool
) -> None:
    assert is_ahead(until, now=NOW, longest=60.0) is waits


@given(wait=SECONDS, longest=SECONDS, jump=st.floats(min_value=-1e6, max_value=1e6))
def test_nothing_waits_for_longer_than_it_may_wherever_the_clock_jumps(
    wait: float, longest: float, jump: float
) -> None:
    until, now = NOW + min(wait, longest), NOW + jump
    if is_ahead(until, now=now, longest=longest):
        assert 0 < until - now <= longest + 2
