import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.circuit import (
    CLOSED,
    FAILURES_TO_OPEN,
    FIRST_WAIT,
    LONGEST_WAIT,
    Circuit,
    CircuitState,
)

NOW = 1_750_000_000.0
OPEN, PROBING = CircuitState.OPEN, CircuitState.PROBING


def failed(times: int, circuit: Circuit = CLOSED, *, now: float = NOW) -> Circuit:
    for number in range(times):
        circuit = circuit.after_failure(f"failure {number}", now=now)
    return circuit


@pytest.mark.parametrize(
    ("failures", "state"),
    [
        (0, CircuitState.CLOSED),
        (1, CircuitState.CLOSED),
        (FAILURES_TO_OPEN - 1, CircuitState.CLOSED),
        (FAILURES_TO_OPEN, OPEN),
        (FAILURES_TO_OPEN + 1, OPEN),
        (1000, OPEN),
    ],
)
def test_it_opens_on_a_run_of_failures(failures: int, state: CircuitState) -> None:
    circuit = failed(failures)
    assert circuit.state(NOW) is state
    assert circuit.failures == failures


@pytest.mark.parametrize(
    ("after", "state"),
    [
        (0.0, OPEN),
        (FIRST_WAIT - 0.1, OPEN),
        (FIRST_WAIT, PROBING),
        (1e6, PROBING),
        # The clock was put back: it cannot have been told to wait for so long.
        (-3600.0, PROBING),
    ],
)
def test_it_probes_once_its_wait_is_over(after: float, state: CircuitState) -> None:
    assert failed(FAILURES_TO_OPEN).state(NOW + after) is state


def test_what_was_in_flight_when_it_opened_makes_it_wait_no_longer() -> None:
    opened = failed(FAILURES_TO_OPEN)
    later = failed(63, opened, now=NOW + 1)
    assert (later.open_until, later.opened) == (opened.open_until, 1)
    assert later.reason == "failure 62"


def test_each_probe_that_fails_makes_it_wait_twice_as_long_up_to_the_longest() -> None:
    circuit, now, waits = failed(FAILURES_TO_OPEN), NOW, []
    for _ in range(20):
        waits.append(circuit.open_until - now)
        now = circuit.open_until
        circuit = circuit.after_failure("still down", now=now)
    assert waits[:5] == [5.0, 10.0, 20.0, 40.0, 60.0]
    assert set(waits[4:]) == {LONGEST_WAIT}


Steps = st.lists(
    st.tuples(st.floats(min_value=-7200.0, max_value=7200.0), st.booleans()), max_size=60
)


@given(Steps)
def test_no_failure_closes_it_every_success_does_and_no_wait_is_too_long(
    steps: list[tuple[float, bool]],
) -> None:
    circuit, now, in_a_row = CLOSED, NOW, 0
    for passed, succeeds in steps:
        now += passed
        before = circuit.state(now)
        circuit = CLOSED if succeeds else circuit.after_failure("down", now=now)
        in_a_row = 0 if succeeds else in_a_row + 1
        state = circuit.state(now)
        assert circuit.failures == in_a_row
        assert (state is CircuitState.CLOSED) == (in_a_row < FAILURES_TO_OPEN)
        if not succeeds and before is PROBING:
            assert state is OPEN
        # Wherever the clock has jumped to; two seconds are no jump.
        assert circuit.state(now + LONGEST_WAIT + 2) is not OPEN
