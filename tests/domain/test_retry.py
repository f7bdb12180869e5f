"""What an answer means, and when a request is sent again."""

import math
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.provider import Limits
from domain.retry import (
    MAX_RETRY_AFTER_SECONDS,
    Outcome,
    backoff,
    classify,
    retry_after,
    retry_at,
)

NOW = 1_792_567_680.0
O = Outcome  # noqa: E741 - the tables below are read by their last column


@pytest.mark.parametrize(
    ("status", "alone", "in_a_batch"),
    [
        (200, O.ACCEPTED, O.ACCEPTED),
        (202, O.ACCEPTED, O.ACCEPTED),
        (204, O.ACCEPTED, O.ACCEPTED),
        (299, O.ACCEPTED, O.ACCEPTED),
        (408, O.RETRY, O.RETRY),
        (425, O.RETRY, O.RETRY),
        (429, O.RETRY, O.RETRY),
        (500, O.RETRY, O.RETRY),
        (502, O.RETRY, O.RETRY),
        (503, O.RETRY, O.RETRY),
        (504, O.RETRY, O.RETRY),
        (599, O.RETRY, O.RETRY),
        (400, O.REFUSED, O.HALVE),
        (413, O.REFUSED, O.HALVE),
        (422, O.REFUSED, O.HALVE),
        (401, O.PAUSE_CAMPAIGN, O.PAUSE_CAMPAIGN),
        (403, O.PAUSE_CAMPAIGN, O.PAUSE_CAMPAIGN),
        (404, O.PAUSE_CAMPAIGN, O.PAUSE_CAMPAIGN),
        (402, O.REFUSED, O.REFUSED),
        (405, O.REFUSED, O.REFUSED),
        (409, O.REFUSED, O.REFUSED),
        (410, O.REFUSED, O.REFUSED),
        (415, O.REFUSED, O.REFUSED),
        (451, O.REFUSED, O.REFUSED),
        (499, O.REFUSED, O.REFUSED),
        # Neither is an answer that takes the message; redirects are not followed.
        (101, O.REFUSED, O.REFUSED),
        (301, O.REFUSED, O.REFUSED),
        (307, O.REFUSED, O.REFUSED),
        # No HTTP status at all.
        (0, O.REFUSED, O.REFUSED),
        (600, O.REFUSED, O.REFUSED),
    ],
)
def test_a_status_decides_what_becomes_of_a_request(
    status: int, alone: Outcome, in_a_batch: Outcome
) -> None:
    assert classify(status, messages=1) is alone
    assert classify(status, messages=2) is in_a_batch
    assert classify(status, messages=1000) is in_a_batch


@pytest.mark.parametrize(
    ("attempt", "bound"),
    [(1, 1.0), (2, 2.0), (3, 4.0), (8, 128.0), (9, 256.0), (10, 300.0), (10_000, 300.0)],
)
def test_the_bound_of_the_wait_doubles_up_to_five_minutes(attempt: int, bound: float) -> None:
    assert backoff(attempt, 1.0) == bound
    assert backoff(attempt, 0.5) == bound / 2
    assert backoff(attempt, 0.0) == 0.0


def test_base_and_cap_of_the_wait_can_be_set() -> None:
    assert backoff(3, 1.0, base=0.1, cap=10.0) == pytest.approx(0.4)
    assert backoff(30, 1.0, base=0.1, cap=10.0) == 10.0


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_the_wait_is_never_negative_and_never_beyond_the_cap(attempt: int, chance: float) -> None:
    assert 0 <= backoff(attempt, chance) < 300.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("3600", 3600.0),
        ("86400", MAX_RETRY_AFTER_SECONDS),
        ("9" * 60, MAX_RETRY_AFTER_SECONDS),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW + 10**6, usegmt=True), MAX_RETRY_AFTER_SECONDS),
        # A zone that RFC 9110 does not allow, and that is clear all the same.
        (formatdate(NOW + 90), 90.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", None),
        (formatdate(NOW - 5, usegmt=True), None),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        ("\u0663", None),
        ("1, 2", None),
        ("9" * 65, None),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(value, now=NOW) == seconds


@given(st.text(max_size=80) | st.datetimes().map(format_datetime), st.floats(0, 1e11))
def test_any_retry_after_is_a_bounded_wait_or_none(value: str, now: float) -> None:
    seconds = retry_after(value, now=now)
    assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= 3600)


LIMITS = Limits(max_attempts=3, retry_deadline_seconds=100.0)


@pytest.mark.parametrize(
    ("attempts", "now", "delay", "expected"),
    [
        (1, 1010.0, 5.0, 1015.0),
        (2, 1010.0, 5.0, 1015.0),
        # The third attempt was the last.
        (3, 1010.0, 5.0, None),
        (4, 1010.0, 0.0, None),
        # The deadline counts from the first attempt, 1000, and is met to the second.
        (2, 1090.0, 10.0, 1100.0),
        (2, 1090.0, 10.5, None),
        (2, 1200.0, 0.0, None),
    ],
)
def test_a_request_is_tried_again_within_its_attempts_and_its_deadline(
    attempts: int, now: float, delay: float, expected: float | None
) -> None:
    again = retry_at(
        attempts=attempts, first_attempt_at=1000.0, now=now, delay=delay, limits=LIMITS
    )
    assert again == expected
