"""Which messages share a request."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.batching import in_groups, plan


def no_size(start: int, stop: int) -> int:
    raise AssertionError("nobody set a limit on bytes")


@pytest.mark.parametrize(
    ("envelopes", "max_messages", "lengths"),
    [
        ("", 3, []),
        ("a", 3, [1]),
        ("aaa", 3, [3]),
        ("aaaa", 3, [3, 1]),
        ("aaaaaaa", 3, [3, 3, 1]),
        ("aaaa", 1, [1, 1, 1, 1]),
        ("aab", 3, [2, 1]),
        ("aabbbba", 3, [2, 3, 1, 1]),
        ("abab", 1000, [1, 1, 1, 1]),
    ],
)
def test_a_batch_is_full_or_ends_where_the_envelope_changes(
    envelopes: str, max_messages: int, lengths: list[int]
) -> None:
    batches = plan(envelopes, max_messages, None, no_size)
    assert [len(batch) for batch in batches] == lengths


@pytest.mark.parametrize(
    ("sizes", "max_bytes", "lengths"),
    [
        ([10, 10, 10], 30, [3]),
        ([10, 10, 10], 29, [2, 1]),
        ([10, 30, 10], 30, [1, 1, 1]),
        ([10, 31, 10], 30, [1, 1, 1]),
        ([31, 31], 30, [1, 1]),
        ([1, 1, 1, 28], 30, [3, 1]),
        ([1] * 9, 30, [4, 4, 1]),
    ],
)
def test_a_batch_closes_before_it_is_larger_than_the_provider_takes(
    sizes: list[int], max_bytes: int, lengths: list[int]
) -> None:
    batches = plan("a" * len(sizes), 4, max_bytes, lambda start, stop: sum(sizes[start:stop]))
    assert [len(batch) for batch in batches] == lengths


messages = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 50)), max_size=40)


@given(messages, st.integers(1, 10), st.integers(1, 120))
def test_nothing_is_lost_repeated_or_reordered_and_the_limits_hold(
    messages: list[tuple[str, int]], max_messages: int, max_bytes: int
) -> None:
    envelopes = [envelope for envelope, _ in messages]

    def size(start: int, stop: int) -> int:
        return 7 + sum(length for _, length in messages[start:stop])

    batches = list(plan(envelopes, max_messages, max_bytes, size))

    assert [i for batch in batches for i in batch] == list(range(len(messages)))
    for batch in batches:
        assert 1 <= len(batch) <= max_messages
        assert len({envelopes[i] for i in batch}) == 1
        assert len(batch) == 1 or size(batch.start, batch.stop) <= max_bytes
    for batch, following in pairwise(batches):
        # None is closed while the next message would still go into it.
        assert (
            len(batch) == max_messages
            or envelopes[batch.start] != envelopes[following.start]
            or size(batch.start, following.start + 1) > max_bytes
        )


@pytest.mark.parametrize(
    ("shared", "order"),
    [
        ("", None),
        ("aaa", None),
        ("aabbc", None),
        ("aba", [0, 2, 1]),
        ("cabcba", [0, 3, 1, 5, 2, 4]),
    ],
)
def test_equals_become_neighbours_in_the_order_of_their_first(
    shared: str, order: list[int] | None
) -> None:
    assert in_groups(shared) == order


def test_a_batch_ends_where_its_messages_cannot_go_together() -> None:
    # A pair and no more, whatever max_messages would allow.
    batches = plan("aaaab", 9, None, no_size, lambda start, stop: min(start + 2, stop))
    assert [(batch.start, batch.stop) for batch in batches] == [(0, 2), (2, 4), (4, 5)]
