"""Numbers as text: what `str` writes is read, and nothing else."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.numbers import LARGEST, MAX_DIGITS, read_number


@given(st.integers(0, 10**MAX_DIGITS - 1))
@example(0)
@example(LARGEST)
@example(10**MAX_DIGITS - 1)
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert read_number(str(number)) == number


@given(st.text(st.characters(categories=["N", "Zs", "Cc", "P", "Sm"]), max_size=MAX_DIGITS + 1))
@example("00")
def test_what_is_read_is_written_the_same_again(text: str) -> None:
    number = read_number(text)
    assert number is None or str(number) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+1",
        "01",
        "00",
        " 1",
        "1\n",
        "1_000",
        "1.0",
        "1e3",
        "0x10",
        "²",
        "٣",  # ARABIC-INDIC DIGIT THREE, which int() reads.
        "1" * (MAX_DIGITS + 1),
        "9" * 5000,  # int() refuses to read more than 4,300 digits, with a ValueError.
    ],
)
def test_what_str_would_not_write_is_no_number(text: str) -> None:
    assert read_number(text) is None


def test_the_largest_number_of_a_column_has_the_most_digits() -> None:
    assert len(str(LARGEST)) == MAX_DIGITS
