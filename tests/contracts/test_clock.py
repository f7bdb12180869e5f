"""What every Clock must do."""

import pytest

from adapters.system_clock import SystemClock
from services.ports import Clock
from tests.fakes.clock import FakeClock

SEPTEMBER_2020, YEAR_2100 = 1_600_000_000.0, 4_102_444_800.0


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()], ids=["system", "fake"])
def test_it_tells_epoch_seconds_and_does_not_go_back(clock: Clock) -> None:
    times = [clock.now() for _ in range(100)]
    assert SEPTEMBER_2020 < times[0] < YEAR_2100
    assert times == sorted(times)


def test_the_fake_moves_only_when_it_is_told_to() -> None:
    clock = FakeClock(5.0)
    assert (clock.now(), clock.now()) == (5.0, 5.0)
    clock.advance(2.5)
    assert clock.now() == 7.5
