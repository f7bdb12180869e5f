from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaign import DeliveryGuarantee
from domain.chunk import (
    CHUNK_SIZE,
    Change,
    Chunk,
    ChunkState,
    OpenRequest,
    bits_of,
    ordinals_of,
    planned,
)
from domain.message import MessageState
from domain.retry import LONGEST_BACKOFF_SECONDS

NOW = 1_750_000_000.0


def request(*ordinals: int, **changes: Any) -> OpenRequest:
    return replace(OpenRequest(ordinals=ordinals, provider_version=1), **changes)


def chunk(size: int = 10, number: int = 3) -> Chunk:
    return planned(7, number, size)


def formed(before: Chunk, *requests: OpenRequest) -> Chunk:
    return before.apply(Change(formed=requests))


@given(bits=st.integers(min_value=0, max_value=2**CHUNK_SIZE - 1))
def test_a_bit_set_names_the_same_ordinals_after_a_round_trip(bits: int) -> None:
    assert bits_of(ordinals_of(bits, 5000), 5000) == bits


def test_every_message_of_a_planned_chunk_is_open_and_counted_from_its_place() -> None:
    assert list(chunk(3, number=2).open_ordinals()) == [2000, 2001, 2002]


def test_a_message_in_a_request_is_open_and_not_formed_again() -> None:
    posting = formed(chunk(), request(3000, 3001, posting=True))
    assert posting.state is ChunkState.POSTING
    assert list(posting.unformed_ordinals()) == list(range(3002, 3010))
    assert list(posting.open_ordinals()) == list(range(3000, 3010))


def test_a_repeat_takes_the_place_of_the_request_that_it_repeats() -> None:
    first = request(3000, 3001)
    kept = formed(chunk(), first)
    again = replace(first, posting=True, attempts=2)
    assert kept.apply(Change(dropped=(first,), formed=(again,))).requests == (again,)


def test_a_settled_request_is_open_no_more() -> None:
    flying = request(3000, 3001, posting=True)
    settled = formed(chunk(), flying).apply(Change(dropped=(flying,), settled=flying.ordinals))
    assert settled.requests == ()
    assert list(settled.open_ordinals()) == list(range(3002, 3010))


def test_a_chunk_is_done_when_nothing_is_open_and_ready_for_a_later_run_otherwise() -> None:
    whole = chunk(2)
    assert whole.apply(Change(settled=(3000,), released=True)).state is ChunkState.READY
    assert whole.apply(Change(settled=(3000, 3001), released=True)).state is ChunkState.DONE


def test_what_is_dropped_and_is_not_there_changes_nothing() -> None:
    flying = request(3000, posting=True)
    whole = formed(chunk(), flying)
    assert whole.apply(Change(dropped=(request(3001), request(3002)))) == whole


def test_a_chunk_is_posting_as_long_as_something_is_in_flight() -> None:
    first, second = request(3000, posting=True), request(3001, posting=True)
    both = formed(chunk(), first, second)
    one = both.apply(Change(dropped=(first,), settled=first.ordinals))
    none = one.apply(Change(dropped=(second,), settled=second.ordinals))
    assert (one.state, none.state) == (ChunkState.POSTING, ChunkState.CLAIMED)


def test_a_chunk_is_due_when_its_first_request_is() -> None:
    waiting = formed(chunk(2), request(3000, not_before=50.0), request(3001, not_before=20.0))
    assert waiting.not_before() == 20.0


def test_a_chunk_with_messages_that_no_request_carries_is_due_at_once() -> None:
    assert formed(chunk(2), request(3000, not_before=50.0)).not_before() == 0.0


def test_what_was_only_claimed_is_open_after_its_worker_is_gone() -> None:
    left, lost = chunk(2).abandoned(DeliveryGuarantee.AT_MOST_ONCE)
    assert (list(left.open_ordinals()), lost) == ([3000, 3001], ())
    assert left.state is ChunkState.READY


def test_at_most_once_loses_what_was_in_flight_and_names_it() -> None:
    flying = formed(chunk(3), request(3000, 3002, posting=True))
    left, lost = flying.abandoned(DeliveryGuarantee.AT_MOST_ONCE)
    assert lost == (3000, 3002)
    assert (list(left.open_ordinals()), left.requests) == ([3001], ())


def test_at_least_once_repeats_what_was_in_flight_as_it_was() -> None:
    flying = request(3000, 3002, posting=True, omitted=("c@example.com",), attempts=1)
    left, lost = formed(chunk(3), flying).abandoned(DeliveryGuarantee.AT_LEAST_ONCE)
    assert lost == ()
    (kept,) = left.requests
    assert kept == replace(flying, posting=False, doubtful=True)
    assert list(left.unposted_ordinals()) == [3001]


def test_a_message_stands_where_its_own_row_says_then_its_request_then_its_chunk() -> None:
    flying, waiting = request(3001, 3002, posting=True), request(3003)
    before = formed(chunk(6), flying, waiting).apply(Change(settled=(3000,)))
    own = {3002: MessageState.DELIVERED, 3005: MessageState.SUPPRESSED}
    assert before.states(range(3000, 3006), own) == {
        3000: MessageState.ACCEPTED,
        3001: MessageState.SENDING,
        3002: MessageState.DELIVERED,
        3003: MessageState.QUEUED,
        3004: MessageState.QUEUED,
        3005: MessageState.SUPPRESSED,
    }
    assert before.states([3004], own) == {3004: MessageState.QUEUED}


def test_what_is_open_in_a_chunk_that_is_done_was_cancelled() -> None:
    done = replace(chunk(2).apply(Change(settled=(3000,))), state=ChunkState.DONE)
    states = done.states((3000, 3001), {})
    assert states == {3000: MessageState.ACCEPTED, 3001: MessageState.CANCELLED}


@pytest.mark.parametrize(
    ("not_before", "is_due"),
    [
        (0.0, True),
        (NOW, True),
        (NOW + 0.1, False),
        (NOW + LONGEST_BACKOFF_SECONDS, False),
        # Set before the clock was put back: no retry waits for so long.
        (NOW + LONGEST_BACKOFF_SECONDS + 2, True),
    ],
)
def test_a_request_and_its_chunk_are_due_when_its_wait_is_over(
    not_before: float, is_due: bool
) -> None:
    waiting = request(0, not_before=not_before)
    one = replace(planned(1, 0, 1), requests=(waiting,))
    assert (waiting.is_due(NOW), one.is_due(NOW)) == (is_due, is_due)
    assert replace(one, requests=()).is_due(NOW)
