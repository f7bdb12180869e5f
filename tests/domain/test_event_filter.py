"""Which events pass a filter, and which entries of the log may hold them."""

from dataclasses import replace

import pytest

from domain.callback import CallbackType
from domain.event_filter import ALL, EventFilter
from domain.events import EVENTS_OF_CALLBACK, Cursor, EntryKind, SystemEvent, SystemEventType
from domain.message_id import MessageKind, MessageRef

MESSAGE = MessageRef(MessageKind.CAMPAIGN, 7, 3)
EVENT = SystemEvent(
    type=SystemEventType.NOTIFICATION_FAILED,
    cursor=Cursor(5, 0),
    provider="Acme",
    campaign_number=7,
    message=MESSAGE,
    message_id="mid",
    recipient="Ann@Example.com",
    reported_email="other@example.com",
    error="full",
    unsubscribe_type="",
    source="",
    callback_type=CallbackType.SOFT_BOUNCE,
    test=False,
    occurred_at=90.0,
    received_at=100.0,
)


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (ALL, True),
        (EventFilter(campaign_number=7), True),
        (EventFilter(campaign_number=8), False),
        (EventFilter(message=MESSAGE), True),
        (EventFilter(message=MESSAGE._replace(ordinal=4)), False),
        (EventFilter(provider="acme"), True),
        (EventFilter(provider="other"), False),
        (EventFilter(recipient="ann@example.com"), True),
        # The address that the ESP named is not the message's.
        (EventFilter(recipient="other@example.com"), False),
        (EventFilter(types=frozenset({SystemEventType.NOTIFICATION_FAILED})), True),
        (EventFilter(types=frozenset({SystemEventType.NOTIFICATION_SENT})), False),
        (EventFilter(received_from=100.0), True),
        (EventFilter(received_from=100.5), False),
        (EventFilter(received_before=100.5), True),
        (EventFilter(received_before=100.0), False),
        (EventFilter(test=False), True),
        (EventFilter(test=True), False),
        (EventFilter(campaign_number=7, provider="other"), False),
    ],
)
def test_an_event_passes_when_every_condition_holds(wanted: EventFilter, passes: bool) -> None:
    assert wanted.passes(EVENT) is passes


def test_the_event_of_a_test_email_is_of_no_campaign() -> None:
    event = EVENT._replace(campaign_number=None, test=True)
    assert EventFilter(test=True).passes(event)
    assert not EventFilter(campaign_number=7).passes(event)


def test_without_types_every_entry_may_hold_something() -> None:
    assert ALL.outcomes == {EntryKind.SENT, EntryKind.FAILED}
    assert ALL.callbacks == set(CallbackType)


@pytest.mark.parametrize("type", list(SystemEventType))
def test_the_entries_of_a_type_are_those_that_raise_it(type: SystemEventType) -> None:
    wanted = replace(ALL, types=frozenset({type}))
    raising = {callback for callback, events in EVENTS_OF_CALLBACK.items() if type in events}
    assert wanted.callbacks == raising
    assert (EntryKind.SENT in wanted.outcomes) is (type is SystemEventType.NOTIFICATION_SENT)
    assert (EntryKind.FAILED in wanted.outcomes) is (type is SystemEventType.NOTIFICATION_FAILED)
    assert wanted.callbacks or wanted.outcomes
