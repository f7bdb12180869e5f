import math
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from domain.campaign import CampaignSpec, CampaignState, Content, DeliveryGuarantee, Recipient
from domain.errors import InvalidRequest
from domain.message import Counts, MessageState
from domain.message_id import MessageIds, MessageKind, MessageRef
from entrypoints.convert import campaign as convert
from entrypoints.convert.values import from_struct, from_value
from espalier.v1 import campaign_pb2, common_pb2
from services.ports import Campaign, MessageRow

IDS = MessageIds(b"0123456789abcdef")
MESSAGE = common_pb2.CampaignSpec(
    request_id="r-1",
    provider="acme",
    name="Spring",
    subject="Hello $$name",
    from_name="Acme",
    from_address="news@example.com",
    reply_to="answers@example.com",
    cc=["a@example.com"],
    bcc=["b@example.com", "c@example.com"],
    html="<p>Hi</p>",
    plaintext="Hi",
    amp_html="<html amp4email>",
    delivery_guarantee=common_pb2.DELIVERY_GUARANTEE_AT_LEAST_ONCE,
)
MESSAGE.replacements.update({"shop": "Acme", "percent": 15})
MESSAGE.send_at.seconds = 1000
MESSAGE.send_before.seconds = 2000
MESSAGE.send_before.nanos = 500_000_000
SPEC = CampaignSpec(
    request_id="r-1",
    provider="acme",
    name="Spring",
    content=Content(
        subject="Hello $$name",
        from_name="Acme",
        from_address="news@example.com",
        reply_to="answers@example.com",
        cc=("a@example.com",),
        bcc=("b@example.com", "c@example.com"),
        html="<p>Hi</p>",
        plaintext="Hi",
        amp_html="<html amp4email>",
        replacements={"shop": "Acme", "percent": 15},
    ),
    guarantee=DeliveryGuarantee.AT_LEAST_ONCE,
    send_at=1000.0,
    send_before=2000.5,
)
CAMPAIGN = Campaign(
    number=7,
    spec=SPEC,
    provider_id=3,
    provider="Acme",
    state=CampaignState.PAUSED,
    state_reason="the ESP answered 401",
    counts=Counts.of({MessageState.QUEUED: 3, MessageState.CLICKED: 2}),
    created_at=900.0,
    started_at=1000.0,
    ended_at=None,
)


def copy_of(message: common_pb2.CampaignSpec) -> common_pb2.CampaignSpec:
    return common_pb2.CampaignSpec.FromString(message.SerializeToString())


def test_a_campaign_is_read_as_it_was_written() -> None:
    assert convert.read_spec(copy_of(MESSAGE)) == (SPEC, [])


def test_what_is_left_out_has_the_domain_s_defaults() -> None:
    read = convert.read_spec(common_pb2.CampaignSpec(request_id="r", provider="acme"))
    assert read == (CampaignSpec(request_id="r", provider="acme", content=Content()), [])


def test_a_time_at_the_epoch_is_given_and_not_left_out() -> None:
    message = copy_of(MESSAGE)
    message.send_at.Clear()
    message.send_at.SetInParent()
    spec, _ = convert.read_spec(message)
    assert spec.send_at == 0.0


def test_what_the_domain_has_no_value_for_is_told_and_left_out() -> None:
    message = copy_of(MESSAGE)
    message.delivery_guarantee = 9  # type: ignore[assignment]
    message.send_at.nanos = -1
    message.send_before.seconds = 2**60
    spec, faults = convert.read_spec(message)
    assert {v.field: v.reason for v in faults} == {
        "campaign.delivery_guarantee": "UNKNOWN_VALUE",
        "campaign.send_at": "INVALID_TIMESTAMP",
        "campaign.send_before": "INVALID_TIMESTAMP",
    }
    assert (spec.send_at, spec.send_before) == (None, None)
    assert spec.guarantee is DeliveryGuarantee.AT_MOST_ONCE


def test_a_draft_ignores_guarantee_and_times() -> None:
    message = copy_of(MESSAGE)
    message.delivery_guarantee = 9  # type: ignore[assignment]
    message.send_at.nanos = -1
    expected = replace(
        SPEC, guarantee=DeliveryGuarantee.AT_MOST_ONCE, send_at=None, send_before=None
    )
    assert convert.read_draft(message) == expected


def test_recipients_keep_their_order_and_have_what_was_given() -> None:
    chunk = campaign_pb2.RecipientChunk()
    chunk.recipients.add(email="a@example.com", name="Ada").replacements.update({"age": 36})
    chunk.recipients.add(email="b@example.com")
    assert convert.read_recipients(chunk.recipients) == [
        Recipient("a@example.com", "Ada", {"age": 36}),
        Recipient("b@example.com", "", {}),
    ]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"text": "a", "empty": "", "quote": '"$$To"\n'},
        {"yes": True, "no": False, "nothing": None},
        {"list": ["a", 1, [], {}, None, [["b"]]]},
        {"object": {"a": {"b": [{"c": "d"}]}}},
        {"zero": 0, "half": 0.5, "minus": -3},
    ],
    ids=["nothing", "texts", "bare words", "lists", "objects", "numbers"],
)
def test_replacements_keep_their_values_and_types(values: dict[str, Any]) -> None:
    struct = Struct()
    struct.update(values)
    read = from_struct(Struct.FromString(struct.SerializeToString()))
    assert read == values
    assert {k: type(v) for k, v in read.items()} == {k: type(v) for k, v in values.items()}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (36.0, 36),
        (-0.0, 0),
        (2.0**53, 2**53),
        (-(2.0**53), -(2**53)),
        (2.0**53 + 2, 2.0**53 + 2),
        (1e300, 1e300),
        (0.1, 0.1),
        (math.inf, math.inf),
    ],
)
def test_whole_numbers_are_integers_as_far_as_doubles_are_exact(
    number: float, expected: float
) -> None:
    read = from_value(Value(number_value=number))
    assert read == expected
    assert type(read) is type(expected)


def test_a_number_that_is_none_stays_so_for_the_rules_to_refuse() -> None:
    read = from_value(Value(number_value=math.nan))
    assert isinstance(read, float)
    assert math.isnan(read)


def test_a_value_of_no_kind_is_null() -> None:
    assert from_value(Value()) is None
    assert from_value(Value(list_value=ListValue(values=[Value()]))) == [None]


def test_a_campaign_is_shown_without_bodies_and_replacements() -> None:
    message = convert.to_campaign(CAMPAIGN)
    assert (message.campaign_id, message.request_id, message.provider) == ("7", "r-1", "Acme")
    assert (message.subject, list(message.bcc)) == ("Hello $$name", list(SPEC.content.bcc))
    assert message.state == campaign_pb2.CAMPAIGN_STATE_PAUSED
    assert message.state_reason == "the ESP answered 401"
    assert message.delivery_guarantee == common_pb2.DELIVERY_GUARANTEE_AT_LEAST_ONCE
    assert (message.send_at.seconds, message.send_before.nanos) == (1000, 500_000_000)
    assert (message.create_time.seconds, message.start_time.seconds) == (900, 1000)
    assert not message.HasField("end_time")
    assert b"<p>Hi</p>" not in message.SerializeToString()


def test_every_state_of_a_message_is_counted_in_its_own_field() -> None:
    numbers = {state: 10 + i for i, state in enumerate(MessageState)}
    message = convert.to_counts(Counts.of(numbers))
    shown = {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}
    assert shown.pop("total") == sum(numbers.values())
    assert shown == {state.value.lower(): number for state, number in numbers.items()}


def test_messages_have_the_ids_that_the_esp_was_given_and_duplicates_have_none() -> None:
    ada = Recipient("a@example.com", "Ada")
    rows = [
        MessageRow(4, ada, MessageState.REJECTED, "MISSING_REPLACEMENT", "x" * 2000, 950.0),
        MessageRow(9, ada, MessageState.DUPLICATE, "", "", None),
    ]
    first, second = convert.to_messages(7, rows, IDS)
    assert IDS.read(first.message_id) == MessageRef(MessageKind.CAMPAIGN, 7, 4)
    assert (first.campaign_id, first.recipient_index, first.email) == ("7", 4, "a@example.com")
    assert first.state == campaign_pb2.MESSAGE_STATE_REJECTED
    assert (first.reason, len(first.detail)) == ("MISSING_REPLACEMENT", 1024)
    assert first.update_time.seconds == 950
    assert (second.message_id, second.recipient_index) == ("", 9)
    assert not second.HasField("update_time")


def test_a_filter_of_states_names_each_state_that_is_none() -> None:
    with pytest.raises(InvalidRequest) as raised:
        convert.MESSAGE_STATES.read_all([1, 0, 99], "states")
    assert [(v.field, v.reason) for v in raised.value.violations] == [
        ("states[1]", "REQUIRED"),
        ("states[2]", "UNKNOWN_VALUE"),
    ]
    assert convert.MESSAGE_STATES.read_all([1, 15], "states") == (
        MessageState.QUEUED,
        MessageState.CLICKED,
    )
