import pytest

from domain.callback import CallbackType
from domain.events import Cursor, SystemEvent, SystemEventType, parse_cursor
from domain.message_id import MessageKind, MessageRef
from entrypoints.convert.event import EVENT_TYPES, to_event
from espalier.v1 import common_pb2, event_pb2

EVENT = SystemEvent(
    type=SystemEventType.NOTIFICATION_FAILED,
    cursor=Cursor(12, 1),
    provider="acme",
    campaign_number=7,
    message=MessageRef(MessageKind.CAMPAIGN, 7, 4),
    message_id="0a1b",
    recipient="ada@example.com",
    reported_email="ada@example.com",
    error="mailbox full",
    unsubscribe_type="",
    source="",
    callback_type=CallbackType.SOFT_BOUNCE,
    test=False,
    occurred_at=100.0,
    received_at=101.5,
)


def test_an_event_is_shown_whole() -> None:
    expected = event_pb2.Event(
        cursor="12.1",
        event_id="12.1",
        type=common_pb2.EVENT_TYPE_NOTIFICATION_FAILED,
        campaign_id="7",
        message_id="0a1b",
        recipient="ada@example.com",
        provider="acme",
        error="mailbox full",
        callback_type="soft_bounce",
    )
    expected.occur_time.seconds = 100
    expected.receive_time.seconds = 101
    expected.receive_time.nanos = 500_000_000
    assert to_event(EVENT) == expected


def test_the_cursor_that_is_shown_leads_back_to_the_event() -> None:
    assert parse_cursor(to_event(EVENT).cursor) == EVENT.cursor


def test_a_test_event_has_no_campaign_and_an_event_of_ours_no_callback() -> None:
    shown = to_event(EVENT._replace(campaign_number=None, test=True, callback_type=None))
    assert (shown.campaign_id, shown.test, shown.callback_type) == ("", True, "")


@pytest.mark.parametrize(
    ("reported", "shown"),
    [
        ("", ""),
        ("ada@example.com", ""),
        ("Ada@Example.COM", ""),
        ("bob@example.com", "bob@example.com"),
    ],
)
def test_the_address_that_the_esp_named_is_shown_where_it_is_another_one(
    reported: str, shown: str
) -> None:
    assert to_event(EVENT._replace(reported_email=reported)).reported_email == shown


def test_every_type_of_event_has_its_number() -> None:
    numbers = [to_event(EVENT._replace(type=kind)).type for kind in SystemEventType]
    assert EVENT_TYPES.read_all(numbers, "types") == tuple(SystemEventType)
    assert len(set(numbers)) == len(common_pb2.EventType.values()) - 1
