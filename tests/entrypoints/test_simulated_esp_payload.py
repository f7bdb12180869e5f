"""Which messages the simulated ESP finds in payloads of many shapes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrypoints.simulated_esp.payload import MessageFinder, PayloadError

FOUND: list[tuple[str, Any, list[tuple[str | None, str]]]] = [
    (
        "one flat message",
        {"cid": "7", "fromAddress": "deals@shop.example", "to": "a@x.example", "mid": "m-1"},
        [("m-1", "a@x.example")],
    ),
    (
        "a batch under a key, beside values of the request",
        {
            "cid": "43a",
            "discountPercentage": "$$DiscountPercentage",
            "msgs": [
                {"from": "Acme", "senderaddr": "d@shop.example", "to": "a@x.example", "mid": "m-1"},
                {"from": "Acme", "senderaddr": "d@shop.example", "to": "b@x.example", "mid": "m-2"},
            ],
        },
        [("m-1", "a@x.example"), ("m-2", "b@x.example")],
    ),
    (
        "a batch at the root",
        [
            {"From": "s@x.example", "To": "A <a@x.example>", "Metadata": {"mid": "m-1"}},
            {"From": "s@x.example", "To": "B <b@x.example>", "Metadata": {"mid": "m-2"}},
        ],
        [("m-1", "a@x.example"), ("m-2", "b@x.example")],
    ),
    (
        "a batch behind another array of objects, with lists of address objects",
        {
            "content": [{"type": "text/html", "value": "<p>"}],
            "from": {"email": "sender@x.example"},
            "personalizations": [
                {"to": [{"email": "a@x.example"}], "custom_args": {"mid": "m-1"}},
                {"to": [{"email": "b@x.example"}], "custom_args": {"mid": "m-2"}},
            ],
        },
        [("m-1", "a@x.example"), ("m-2", "b@x.example")],
    ),
    (
        "one message with a list of address objects is no batch of addresses",
        {"sender": {"email": "s@x.example"}, "to": [{"email": "a@x.example"}], "mid": "m-1"},
        [("m-1", "a@x.example")],
    ),
    (
        "the same without a message id",
        {"sender": {"email": "s@x.example"}, "to": [{"email": "a@x.example"}]},
        [(None, "a@x.example")],
    ),
    (
        "a batch without message ids",
        {"meta_data": {}, "list": [{"to": "a@x.example"}, {"to": "b@x.example"}]},
        [(None, "a@x.example"), (None, "b@x.example")],
    ),
    (
        "an id in a name and value pair",
        {
            "to": ["a@x.example"],
            "cc": ["c@x.example"],
            "tags": [{"name": "kind", "value": "promo"}, {"name": "mid", "value": "m-1"}],
        },
        [("m-1", "a@x.example")],
    ),
    (
        "a batch two levels down",
        {"message": {"bulk": [{"rcpt": "a@x.example", "values": {"Message-ID": "m-1"}}]}},
        [("m-1", "a@x.example")],
    ),
    (
        "the first of several addresses in a string",
        {"to": "a@x.example, b@x.example", "meta": "m-1"},
        [("m-1", "a@x.example")],
    ),
    (
        "a number as id, in other spelling",
        {"Recipient": "a@x.example", "messageId": 17},
        [("17", "a@x.example")],
    ),
    (
        "the nearer of two ids",
        {"to": "a@x.example", "meta": {"mid": "inner"}, "message_id": "outer"},
        [("outer", "a@x.example")],
    ),
]


@pytest.mark.parametrize(
    ("payload", "messages"), [case[1:] for case in FOUND], ids=[case[0] for case in FOUND]
)
def test_messages_are_found_in_any_shape(
    payload: object, messages: list[tuple[str | None, str]]
) -> None:
    found = MessageFinder().find(payload)

    assert [(message.meta, message.address) for message in found] == messages


def test_each_message_comes_with_its_whole_object() -> None:
    msgs = [{"to": "a@x.example", "mid": "1", "n": 1}, {"to": "b@x.example", "mid": "2", "n": 2}]

    assert [message.fields for message in MessageFinder().find({"msgs": msgs})] == msgs


def test_named_keys_replace_the_usual_ones() -> None:
    finder = MessageFinder(meta_keys=["v:ref"], to_keys=["target"])

    found = finder.find(
        {"to": "no@x.example", "target": "a@x.example", "mid": "no", "v:ref": "m-1"}
    )

    assert [(message.meta, message.address) for message in found] == [("m-1", "a@x.example")]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (17, "the payload must be an object or an array of objects"),
        ([], "the array of messages is empty"),
        ([{"to": "a@x.example"}, 5], "message 1 is no object"),
        ({}, "message 0 holds no recipient address under to, email"),
        ({"to": "+49123", "mid": "m-1"}, "message 0 holds no recipient address"),
        ({"from": {"email": "s@x.example"}, "mid": "m-1"}, "message 0 holds no recipient address"),
        ({"msgs": [{"to": "a@x.example", "mid": "1"}, {"mid": "2"}]}, "message 1 holds no"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_the_reason(payload: object, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        MessageFinder().find(payload)


def test_a_payload_nested_to_the_limit_of_the_parser_is_refused_and_not_followed() -> None:
    payload: Any = {"to": "a@x.example"}
    for _ in range(1000):
        payload = {"to": [payload, 1], "x": [{}]}

    with pytest.raises(PayloadError):
        MessageFinder().find({"deep": [payload]})


KEYS = st.sampled_from(["to", "mid", "Email", "name", "value", "msgs", "from", "x"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
ADDRESSES = st.sampled_from(["a@x.example", "A <a@x.example>", "@", "<@>", "a@x,b@x"])
PAYLOADS = st.recursive(
    SCALARS | ADDRESSES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(PAYLOADS)
def test_any_payload_is_either_understood_or_refused(payload: object) -> None:
    try:
        found = MessageFinder().find(payload)
    except PayloadError:
        return  # Any other exception fails the test.
    assert found
    assert all("@" in message.address for message in found)


@given(st.lists(st.tuples(st.uuids(), st.integers(0, 99)), min_size=1, max_size=50))
def test_a_batch_is_found_whole_and_in_order(given_ones: list[tuple[Any, int]]) -> None:
    msgs = [{"to": f"p{number}@x.example", "mid": str(meta)} for meta, number in given_ones]

    found = MessageFinder().find({"cid": "1", "options": {"tags": []}, "msgs": msgs})

    assert [message.meta for message in found] == [str(meta) for meta, _ in given_ones]
