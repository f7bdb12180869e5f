"""States of messages, and how callbacks move them."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.callback import CallbackType
from domain.message import ABANDONED, Counts, MessageState, after_callback, before_callback

S = MessageState
C = CallbackType

states = st.sampled_from(MessageState)
# They show that the ESP took the message, and nothing more.
SAYING_LITTLE = (C.OPENED, C.DEFERRED, C.DROPPED, C.RESUBSCRIBED, C.UNKNOWN)

callbacks = st.lists(st.sampled_from(CallbackType), max_size=8)
counts = st.dictionaries(states, st.integers(0, 10**6)).map(Counts.of)


def after_all(state: MessageState, events: list[CallbackType]) -> MessageState:
    for event in events:
        state = after_callback(state, event)
    return state


@given(states, callbacks, st.randoms(use_true_random=False))
def test_the_order_of_the_events_does_not_matter(
    state: MessageState, events: list[CallbackType], random: Random
) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    assert after_all(state, events) == after_all(state, shuffled)


@given(states, callbacks)
def test_a_repeat_of_every_event_changes_nothing(
    state: MessageState, events: list[CallbackType]
) -> None:
    assert after_all(state, events + events) == after_all(state, events)


@pytest.mark.parametrize(
    ("callback", "state"),
    [
        (C.DELIVERED, S.DELIVERED),
        (C.SOFT_BOUNCE, S.SOFT_BOUNCED),
        (C.HARD_BOUNCE, S.HARD_BOUNCED),
        (C.UNSUBSCRIBED, S.UNSUBSCRIBED),
        (C.SPAM, S.COMPLAINED),
        (C.CLICKED, S.CLICKED),
    ],
)
@pytest.mark.parametrize("before", [S.ACCEPTED, S.UNKNOWN, S.SENDING, S.QUEUED, S.REJECTED])
def test_an_event_settles_what_was_accepted_or_still_open(
    before: MessageState, callback: CallbackType, state: MessageState
) -> None:
    assert after_callback(before, callback) is state


@pytest.mark.parametrize("callback", CallbackType)
@pytest.mark.parametrize("state", [S.SUPPRESSED, S.DUPLICATE, S.CANCELLED, S.EXPIRED])
def test_what_was_never_to_be_sent_is_never_moved(
    state: MessageState, callback: CallbackType
) -> None:
    assert after_callback(state, callback) is state


@pytest.mark.parametrize("callback", CallbackType)
def test_what_an_operator_gave_up_is_moved_as_what_is_unknown(callback: CallbackType) -> None:
    known = before_callback(S.CANCELLED, ABANDONED)
    assert known is S.UNKNOWN
    assert after_callback(known, callback) is after_callback(S.UNKNOWN, callback)


@pytest.mark.parametrize(
    ("state", "reason"),
    [(S.CANCELLED, ""), (S.CANCELLED, "CAMPAIGN_CANCELLED"), (S.UNKNOWN, "ANSWER_LOST")]
    + [(state, ABANDONED) for state in MessageState if state is not S.CANCELLED],
)
def test_any_other_message_is_known_by_its_state(state: MessageState, reason: str) -> None:
    assert before_callback(state, reason) is state


@pytest.mark.parametrize(
    ("state", "late", "still"),
    [
        (S.HARD_BOUNCED, C.DELIVERED, S.HARD_BOUNCED),
        *((S.DELIVERED, kind, S.DELIVERED) for kind in SAYING_LITTLE),
        *((S.UNKNOWN, kind, S.ACCEPTED) for kind in SAYING_LITTLE),
        *((S.REJECTED, kind, S.REJECTED) for kind in SAYING_LITTLE),
        *((S.QUEUED, kind, S.QUEUED) for kind in SAYING_LITTLE),
        (S.HARD_BOUNCED, C.CLICKED, S.HARD_BOUNCED),
        (S.DELIVERED, C.SOFT_BOUNCE, S.DELIVERED),
        (S.CLICKED, C.DELIVERED, S.CLICKED),
        (S.UNSUBSCRIBED, C.HARD_BOUNCE, S.UNSUBSCRIBED),
        (S.UNSUBSCRIBED, C.CLICKED, S.UNSUBSCRIBED),
        (S.COMPLAINED, C.UNSUBSCRIBED, S.COMPLAINED),
        # and upwards
        (S.SOFT_BOUNCED, C.DELIVERED, S.DELIVERED),
        (S.DELIVERED, C.CLICKED, S.CLICKED),
        (S.DELIVERED, C.HARD_BOUNCE, S.HARD_BOUNCED),
        (S.CLICKED, C.UNSUBSCRIBED, S.UNSUBSCRIBED),
        (S.UNSUBSCRIBED, C.SPAM, S.COMPLAINED),
    ],
)
def test_a_late_event_never_undoes_a_stronger_state(
    state: MessageState, late: CallbackType, still: MessageState
) -> None:
    assert after_callback(state, late) is still


def test_every_state_has_the_number_that_databases_hold() -> None:
    assert {state.value: state.code for state in MessageState} == {
        "QUEUED": 1,
        "SENDING": 2,
        "ACCEPTED": 3,
        "REJECTED": 4,
        "SUPPRESSED": 5,
        "DUPLICATE": 6,
        "UNKNOWN": 7,
        "CANCELLED": 8,
        "EXPIRED": 9,
        "DELIVERED": 10,
        "SOFT_BOUNCED": 11,
        "HARD_BOUNCED": 12,
        "UNSUBSCRIBED": 13,
        "COMPLAINED": 14,
        "CLICKED": 15,
    }


@given(states)
def test_a_number_is_read_back_as_its_state(state: MessageState) -> None:
    assert MessageState.of(state.code) is state


@given(st.dictionaries(states, st.integers(0, 10**6)))
def test_counts_hold_what_they_were_made_of(numbers: dict[MessageState, int]) -> None:
    made = Counts.of(numbers)
    assert {state: number for state, number in made.items() if number} == {
        state: number for state, number in numbers.items() if number
    }
    assert made.total == sum(numbers.values())


@given(counts, counts)
def test_counts_add_up_state_by_state(one: Counts, other: Counts) -> None:
    both = one + other
    assert dict(both) == {state: one[state] + other[state] for state in MessageState}
    assert both.total == one.total + other.total


@given(counts, states, states, st.integers(1, 1000))
def test_a_move_between_states_keeps_the_total(
    before: Counts, old: MessageState, new: MessageState, messages: int
) -> None:
    after = before.moved(old, new, messages)
    assert after.total == before.total
    assert after[new] - before[new] == (0 if old is new else messages)
