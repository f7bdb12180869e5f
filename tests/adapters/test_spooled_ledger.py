from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.spooled_ledger import SpooledAddressLedger


def repeats(*calls: Sequence[tuple[int, str]]) -> list[int]:
    ledger = SpooledAddressLedger()
    try:
        for entries in calls:
            ledger.add(entries)
        return sorted(ordinal for some in ledger.repeats() for ordinal in some)
    finally:
        ledger.close()


def test_the_first_of_equal_addresses_is_no_repeat_and_all_later_ones_are() -> None:
    assert repeats([(0, "a@x.org"), (1, "b@x.org"), (2, "a@x.org")], [(3, "a@x.org")]) == [2, 3]


def test_a_ledger_without_repeats_names_none() -> None:
    assert repeats([(i, f"p{i}@x.org") for i in range(1000)]) == []


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "é"]), max_size=30), st.integers(0, 30))
def test_it_finds_what_a_set_finds_however_the_calls_are_cut(keys: list[str], cut: int) -> None:
    entries = list(enumerate(keys))
    expected = [i for i, key in entries if key in keys[:i]]
    assert repeats(entries[:cut], entries[cut:]) == expected


def test_repeats_are_found_again_after_they_went_to_disk() -> None:
    many = 300_000
    entries = [(i, f"p{i % (many - 7)}@example.com") for i in range(many)]
    assert repeats(entries) == list(range(many - 7, many))


def test_lists_of_repeats_are_of_bounded_length() -> None:
    ledger = SpooledAddressLedger()
    ledger.add((i, "same@example.com") for i in range(2501))
    lengths = [len(some) for some in ledger.repeats()]
    ledger.close()
    assert (sum(lengths), max(lengths)) == (2500, 1000)


def test_a_closed_ledger_takes_no_more() -> None:
    ledger = SpooledAddressLedger()
    ledger.close()
    with pytest.raises(ValueError, match="closed"):
        ledger.add([(0, "a@x.org")])
