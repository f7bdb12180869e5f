"""What every AddressLedger must do."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import pytest

from adapters.spooled_ledger import SpooledAddressLedger
from services.ports import AddressLedger
from tests.fakes.address_ledger import FakeAddressLedger


@pytest.fixture(params=[SpooledAddressLedger, FakeAddressLedger], ids=["spooled", "fake"])
def ledger(request: pytest.FixtureRequest) -> Iterator[AddressLedger]:
    make: Callable[[], AddressLedger] = request.param
    with closing(make()) as made:
        yield made


def repeats(ledger: AddressLedger, *calls: Sequence[tuple[int, str]]) -> list[int]:
    for entries in calls:
        ledger.add(entries)
    return sorted(ordinal for some in ledger.repeats() for ordinal in some)


def test_all_but_the_first_of_equal_addresses_are_repeats(ledger: AddressLedger) -> None:
    assert repeats(ledger, [(0, "a@x.org"), (1, "b@x.org"), (2, "a@x.org")]) == [2]


def test_an_address_is_known_over_calls(ledger: AddressLedger) -> None:
    assert repeats(ledger, [(0, "é@x.org")], [(1, "é@x.org"), (5, "é@x.org")]) == [1, 5]


def test_ordinals_that_are_left_out_are_no_matter(ledger: AddressLedger) -> None:
    assert repeats(ledger, [(7, "a@x.org"), (2**31, "a@x.org")]) == [2**31]


def test_nothing_comes_of_different_addresses_or_of_none(ledger: AddressLedger) -> None:
    assert repeats(ledger) == []
    assert repeats(ledger, [(i, f"p{i}@x.org") for i in range(2000)]) == []


def test_repeats_come_in_lists_of_bounded_length(ledger: AddressLedger) -> None:
    ledger.add((i, "same@x.org") for i in range(2501))
    lengths = [len(some) for some in ledger.repeats()]
    assert (sum(lengths), max(lengths)) == (2500, 1000)


def test_a_closed_ledger_takes_no_more(ledger: AddressLedger) -> None:
    ledger.close()
    with pytest.raises(ValueError, match="closed"):
        ledger.add([(0, "a@x.org")])
