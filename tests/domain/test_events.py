"""System events: what a stored entry of the log expands to, and cursors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.callback import CallbackType
from domain.errors import InvalidRequest
from domain.events import (
    EVENTS_OF_CALLBACK,
    START,
    Cursor,
    EntryKind,
    LogEntry,
    SystemEvent,
    SystemEventType,
    parse_cursor,
    system_events,
)
from domain.message_id import MessageIds, MessageKind, MessageRef

IDS = MessageIds(b"a key of thirty-two bytes, ascii!")
ADDRESSES = {3: "sara@example.com", 4: "tom@example.com", 9: "ann@example.com"}
T = SystemEventType


def outcome(kind: EntryKind, reason: str = "") -> LogEntry:
    return LogEntry(
        kind=kind,
        provider="acme",
        number=7,
        ordinals=(3, 4, 9),
        reason=reason,
        occurred_at=100.0,
        received_at=100.5,
        position=12,
    )


def callback(
    kind: CallbackType,
    description: str | None = "what the ESP said",
    message_kind: MessageKind = MessageKind.CAMPAIGN,
) -> LogEntry:
    return LogEntry(
        kind=EntryKind.CALLBACK,
        provider="acme",
        number=7,
        ordinals=(3,),
        message_kind=message_kind,
        callback_type=kind,
        email="forwarded@example.net",
        description=description,
        occurred_at=90.0,
        received_at=100.0,
        position=12,
    )


def expand(entry: LogEntry, after: Cursor = START) -> list[SystemEvent]:
    return list(system_events(entry, IDS, ADDRESSES, after=after))


def test_an_accepted_message_raises_notification_sent() -> None:
    assert expand(outcome(EntryKind.SENT))[1] == SystemEvent(
        type=T.NOTIFICATION_SENT,
        cursor=Cursor(12, 1),
        provider="acme",
        campaign_number=7,
        message=MessageRef(MessageKind.CAMPAIGN, 7, 4),
        message_id=IDS.campaign_message(7, 4),
        recipient="tom@example.com",
        reported_email="",
        error="",
        unsubscribe_type="",
        source="",
        callback_type=None,
        test=False,
        occurred_at=100.0,
        received_at=100.5,
    )


def test_a_chunk_raises_one_event_per_message_in_its_order() -> None:
    events = expand(outcome(EntryKind.SENT))
    assert [(str(e.cursor), e.recipient) for e in events] == [
        ("12.0", "sara@example.com"),
        ("12.1", "tom@example.com"),
        ("12.2", "ann@example.com"),
    ]


def test_a_refused_message_raises_notification_failed_with_the_reason() -> None:
    events = expand(outcome(EntryKind.FAILED, "the ESP answered 400: bad address"))
    assert {(e.type, e.error) for e in events} == {
        (T.NOTIFICATION_FAILED, "the ESP answered 400: bad address")
    }
    assert [e.message.ordinal for e in events] == [3, 4, 9]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # type, error, unsubscribe type, source
        (CallbackType.DELIVERED, [(T.NOTIFICATION_DELIVERED, "", "", "Generic email")]),
        (
            CallbackType.HARD_BOUNCE,
            [
                (T.NOTIFICATION_FAILED, "what the ESP said", "", ""),
                (T.CHANNEL_UNSUBSCRIBED, "", "what the ESP said", ""),
            ],
        ),
        (CallbackType.SOFT_BOUNCE, [(T.NOTIFICATION_FAILED, "what the ESP said", "", "")]),
        (CallbackType.UNSUBSCRIBED, [(T.CHANNEL_UNSUBSCRIBED, "", "what the ESP said", "")]),
        (CallbackType.SPAM, [(T.CHANNEL_UNSUBSCRIBED, "", "what the ESP said", "")]),
        (CallbackType.CLICKED, [(T.NOTIFICATION_CLICKED, "", "", "")]),
        (CallbackType.OPENED, [(T.NOTIFICATION_OPENED, "", "", "")]),
        (CallbackType.DEFERRED, [(T.NOTIFICATION_DEFERRED, "what the ESP said", "", "")]),
        (CallbackType.DROPPED, [(T.NOTIFICATION_DROPPED, "what the ESP said", "", "")]),
        (CallbackType.RESUBSCRIBED, [(T.CHANNEL_RESUBSCRIBED, "", "", "")]),
        (CallbackType.UNKNOWN, [(T.NOTIFICATION_UNKNOWN, "what the ESP said", "", "")]),
    ],
)
def test_each_type_of_callback_raises_its_events(
    kind: CallbackType, expected: list[tuple[SystemEventType, str, str, str]]
) -> None:
    events = expand(callback(kind))
    assert [(e.type, e.error, e.unsubscribe_type, e.source) for e in events] == expected
    assert {e.callback_type for e in events} == {kind}


@pytest.mark.parametrize("description", [None, ""])
@pytest.mark.parametrize("kind", [CallbackType.HARD_BOUNCE, CallbackType.SPAM])
def test_where_the_description_is_missing_the_type_stands_in(
    kind: CallbackType, description: str | None
) -> None:
    events = expand(callback(kind, description))
    assert {e.error or e.unsubscribe_type for e in events} == {kind.value}


def test_the_event_of_a_callback_names_all_that_is_known_of_it() -> None:
    assert expand(callback(CallbackType.DELIVERED)) == [
        SystemEvent(
            type=T.NOTIFICATION_DELIVERED,
            cursor=Cursor(12, 0),
            provider="acme",
            campaign_number=7,
            message=MessageRef(MessageKind.CAMPAIGN, 7, 3),
            message_id=IDS.campaign_message(7, 3),
            recipient="sara@example.com",
            reported_email="forwarded@example.net",
            error="",
            unsubscribe_type="",
            source="Generic email",
            callback_type=CallbackType.DELIVERED,
            test=False,
            occurred_at=90.0,
            received_at=100.0,
            description="what the ESP said",
        )
    ]


def test_the_callback_of_a_test_email_shows_as_a_test_and_belongs_to_no_campaign() -> None:
    entry = callback(CallbackType.CLICKED, message_kind=MessageKind.TEST)
    (event,) = system_events(entry, IDS, {})
    assert (event.test, event.campaign_number) == (True, None)
    assert event.message_id == IDS.token(MessageRef(MessageKind.TEST, 7, 3))
    assert event.recipient == "forwarded@example.net"


@pytest.mark.parametrize(
    "entry",
    [outcome(EntryKind.SENT), outcome(EntryKind.FAILED, "no"), callback(CallbackType.HARD_BOUNCE)],
)
def test_a_reader_that_stops_anywhere_goes_on_with_the_next_event(entry: LogEntry) -> None:
    whole = expand(entry)
    for index, event in enumerate(whole):
        assert expand(entry, after=event.cursor) == whole[index + 1 :]


def test_entries_before_the_cursor_are_not_read_again() -> None:
    assert expand(outcome(EntryKind.SENT), after=Cursor(13, 0)) == []
    assert len(expand(outcome(EntryKind.SENT), after=Cursor(11, 999))) == 3


def test_every_type_of_callback_raises_something() -> None:
    assert set(EVENTS_OF_CALLBACK) == set(CallbackType)
    assert all(EVENTS_OF_CALLBACK.values())


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        (T.NOTIFICATION_SENT, "Notification Sent"),
        (T.NOTIFICATION_DELIVERED, "Notification Delivered"),
        (T.NOTIFICATION_FAILED, "Notification Failed"),
        (T.NOTIFICATION_CLICKED, "Notification Clicked"),
        (T.CHANNEL_UNSUBSCRIBED, "Channel Unsubscribed"),
    ],
)
def test_people_read_the_names_of_the_page(kind: SystemEventType, label: str) -> None:
    assert kind.label == label


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_a_cursor_is_read_back_as_it_was_written(position: int, offset: int) -> None:
    assert parse_cursor(str(Cursor(position, offset))) == Cursor(position, offset)


def test_no_cursor_means_from_the_start() -> None:
    assert parse_cursor("") == START


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "12",
        "12.",
        ".1",
        "1.2.3",
        "-1.0",
        "+1.0",
        "01.0",
        " 1.0",
        "1.0 ",
        "1_0.0",
        "\u0663.\u0660",
        "9223372036854775808.0",
        "0.9223372036854775808",
        "1." + "9" * 5000,
    ],
)
def test_nonsense_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_cursor(text, field="after")
    (violation,) = caught.value.violations
    assert (violation.field, violation.reason) == ("after", "INVALID_CURSOR")
    assert "next_cursor" in violation.message


@given(st.text(max_size=30))
def test_any_text_is_a_cursor_as_written_or_refused(text: str) -> None:
    assert cursor_or_fault(text) in (text, "INVALID_CURSOR", str(START))


def cursor_or_fault(text: str) -> str:
    try:
        return str(parse_cursor(text))
    except InvalidRequest as error:
        return error.violations[0].reason


def test_a_callback_entry_without_a_type_is_a_fault_of_the_store() -> None:
    broken = LogEntry(
        kind=EntryKind.CALLBACK,
        provider="acme",
        number=1,
        ordinals=(0,),
        occurred_at=0.0,
        received_at=0.0,
        position=5,
    )
    with pytest.raises(ValueError, match="log entry 5"):
        expand(broken)
