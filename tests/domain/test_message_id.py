"""Message ids: what goes out as `$$MessageID` and comes back as `meta`."""

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.message_id import (
    MAX_NUMBER,
    MAX_ORDINAL,
    TOKEN_LENGTH,
    MessageIds,
    MessageKind,
    MessageRef,
)

IDS = MessageIds(b"a key of thirty-two bytes, ascii!")
refs = st.builds(
    MessageRef,
    st.sampled_from(MessageKind),
    st.integers(0, MAX_NUMBER),
    st.integers(0, MAX_ORDINAL),
)


@given(refs)
def test_what_is_written_is_read_back(ref: MessageRef) -> None:
    assert IDS.read(IDS.token(ref)) == ref


@given(refs)
def test_a_token_fits_what_every_esp_keeps(ref: MessageRef) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", IDS.token(ref))


@given(refs, st.integers(0, TOKEN_LENGTH - 1), st.integers(1, 15))
def test_one_flipped_character_is_refused(ref: MessageRef, place: int, by: int) -> None:
    token = IDS.token(ref)
    flipped = f"{int(token[place], 16) ^ by:x}"
    for other in (flipped, flipped.upper()):
        assert IDS.read(token[:place] + other + token[place + 1 :]) is None


@given(refs, st.integers(0, TOKEN_LENGTH - 1), st.characters())
def test_whatever_stands_in_the_place_of_a_character_is_refused(
    ref: MessageRef, place: int, other: str
) -> None:
    token = IDS.token(ref)
    forged = token[:place] + other + token[place + 1 :]
    assert IDS.read(forged) == (ref if other.lower() == token[place] else None)


@given(refs, st.randoms(use_true_random=False))
def test_a_token_is_read_in_whatever_case_an_esp_gives_it_back(
    ref: MessageRef, random: Random
) -> None:
    token = IDS.token(ref)
    mixed = "".join(random.choice((each, each.upper())) for each in token)
    assert IDS.read(mixed) == IDS.read(token.upper()) == ref


@given(refs)
def test_another_key_reads_nothing(ref: MessageRef) -> None:
    assert MessageIds(b"another key of the same service.").read(IDS.token(ref)) is None


@given(st.integers(0, MAX_NUMBER), st.lists(st.integers(0, MAX_ORDINAL), max_size=20))
def test_many_tokens_at_once_are_those_made_one_by_one(number: int, ordinals: list[int]) -> None:
    one_by_one = [IDS.campaign_message(number, ordinal) for ordinal in ordinals]
    assert IDS.campaign_messages(number, ordinals) == one_by_one


def test_a_retry_repeats_the_token() -> None:
    again = MessageIds(b"a key of thirty-two bytes, ascii!")
    assert again.campaign_message(7, 3) == IDS.campaign_message(7, 3)


def test_the_layout_never_changes_since_callbacks_come_for_weeks() -> None:
    token = IDS.campaign_message(7, 258)
    assert token[:20] == "01" + "0000000007" + "00000102"
    assert token == "010000000007000001023721f2a977a40579bf83c44aff7077ec"


def test_the_kinds_are_kept_apart() -> None:
    assert IDS.read(IDS.campaign_message(9, 0)) == MessageRef(MessageKind.CAMPAIGN, 9, 0)
    assert IDS.read(IDS.test_message(9)) == MessageRef(MessageKind.TEST, 9, 0)
    assert IDS.read(IDS.preview_message(9)) == MessageRef(MessageKind.PREVIEW, 0, 9)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sara@example.com|1568798080|1730799638|20241105|0|wzrk_default|-17005910|",
        "0" * TOKEN_LENGTH,
        "é" * TOKEN_LENGTH,
        " " + IDS.campaign_message(1, 3)[1:],
        IDS.campaign_message(1, 3) + " ",
        IDS.campaign_message(1, 3)[:-2],
    ],
)
def test_whatever_was_not_written_here_names_no_message(text: str) -> None:
    assert IDS.read(text) is None


@pytest.mark.parametrize("length", [0, 15, 65])
def test_a_key_too_short_or_too_long_is_refused_with_its_length(length: int) -> None:
    with pytest.raises(ValueError, match=f"has {length} bytes; give it 16 to 64"):
        MessageIds(b"k" * length)


def test_the_key_does_not_show() -> None:
    assert "thirty-two" not in repr(IDS)
