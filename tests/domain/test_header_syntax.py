"""What may stand in a header, and what may not."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.header_syntax import is_name, unsafe_character

_TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@given(st.text(_TOKEN, min_size=1))
@example(_TOKEN)
def test_a_name_is_a_token(text: str) -> None:
    assert is_name(text)


@given(st.text(_TOKEN), st.characters(exclude_characters=_TOKEN), st.text(_TOKEN))
@example("X", "\n", "")
@example("", ":", "")
@example("X", "\u017f", "")  # A long s, which is an s to a search that ignores case.
@example("X", "٣", "")
def test_one_character_of_another_kind_makes_it_no_name(
    before: str, character: str, after: str
) -> None:
    assert not is_name(before + character + after)


def test_nothing_is_no_name() -> None:
    assert not is_name("")


_SAFE = "\t" + "".join(map(chr, range(0x20, 0x7F)))


@given(st.text(_SAFE))
@example(_SAFE)
def test_printable_ascii_and_tabs_are_safe(text: str) -> None:
    assert unsafe_character(text) is None


@given(st.text(_SAFE), st.characters(exclude_characters=_SAFE), st.text())
@example("a", "\r", "\nX: y")
@example("a", "\n", "")
@example("", "\0", "")
@example("a", "\x7f", "")
@example("a", "\x85", "")
@example("a", "ü", "ö")
def test_the_first_character_that_is_not_safe_is_told(
    before: str, character: str, after: str
) -> None:
    assert unsafe_character(before + character + after) == character


@pytest.mark.parametrize("text", ["", " ", "Bearer ${KEY}", "a\tb"])
def test_an_empty_value_and_spaces_are_safe(text: str) -> None:
    assert unsafe_character(text) is None
