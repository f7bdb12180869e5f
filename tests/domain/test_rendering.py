"""From messages to requests: values, refusals and batches."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from domain.campaign import Content, Recipient
from domain.provider import Batch
from domain.rendering import Message, Refusal, Rejection, RenderedRequest, Renderer
from tests.domain.rendering_samples import (
    CONTENT,
    payload,
    payloads,
    person,
    provider,
    renderer,
    requests,
)

PLAIN = Content(subject="S", from_name="N", from_address="f@example.com", html="H")


def one(template: str, message: Message, content: Content = PLAIN, **copies: Any) -> Any:
    (found,) = payloads(provider(template), [message], content, **copies)
    return found


@pytest.mark.parametrize(
    ("value", "whole", "inside"),
    [
        ("Sara", "Sara", "<Sara>"),
        ('"}],\\u0022\\', '"}],\\u0022\\', '<"}],\\u0022\\>'),
        ("a\r\n\tb\x00\u2028", "a\r\n\tb\x00\u2028", "<a\r\n\tb\x00\u2028>"),
        ("$$To $$x $$$$", "$$To $$x $$$$", "<$$To $$x $$$$>"),
        ("", "", "<>"),
        (None, None, "<>"),
        (True, True, "<true>"),
        (7.0, 7, "<7>"),
        (-0.5, -0.5, "<-0.5>"),
        ([1.0, "$$To"], [1, "$$To"], '<[1,"$$To"]>'),
        ({"a": {"b": None}}, {"a": {"b": None}}, '<{"a":{"b":null}}>'),
    ],
)
def test_a_value_arrives_as_it_was_given(value: Any, whole: Any, inside: str) -> None:
    found = one('{"whole": "$$x", "inside": "<$$x>"}', person(1, x=value))
    assert found == {"whole": whole, "inside": inside}
    assert type(found["whole"]) is type(whole)


@pytest.mark.parametrize("name", ['Sara\r\nBcc: "tom"', "$$To", "n" * 999])
def test_a_recipient_s_name_arrives_as_it_was_given(name: str) -> None:
    found = one('["$$name", "<$$name>"]', (1, Recipient("p1@example.com", name)))
    assert found == [name, f"<{name}>"]


def test_what_is_no_placeholder_goes_out_as_it_was_written() -> None:
    template = '{"n": [1.0, 1E400, 12345678901234567890123, -0], "$$ x": "$$5 $$ é\\u0041\\n", }'
    (request,) = requests(provider(template), [person(1)])
    assert request.request.body == (
        '{"n":[1.0,1E400,12345678901234567890123,-0],"$$ x":"$$5 $$ éA\\n"}'.encode()
    )


def test_a_longer_name_is_another_placeholder() -> None:
    found = one('["$$To", "$$Token", "$$to"]', person(1, Token="t", to="x"))
    assert found == ["p1@example.com", "t", "x"]


def test_optional_system_values_that_are_not_set_are_blank_and_keep_their_keys() -> None:
    template = (
        '{"c": "$$cc", "b": "<$$bcc>", "r": "$$ReplyToAddress", "p": ["$$Plaintext", "$$AMPHTML"]}'
    )
    assert one(template, person(1)) == {"c": "", "b": "<>", "r": "", "p": ["", ""]}


def test_copies_are_joined_with_commas() -> None:
    copies: dict[str, Any] = {"cc": ["a@x", "b@x"], "bcc": ["c@x"]}
    assert one('{"c": "$$cc", "all": "to: $$cc; $$bcc"}', person(1), **copies) == {
        "c": "a@x,b@x",
        "all": "to: a@x,b@x; c@x",
    }


def test_campaign_id_is_blank_where_there_is_no_campaign() -> None:
    config = provider('["$$CampaignID"]')
    without = Renderer(config, PLAIN, campaign_id=None, message_ids=lambda ordinals: [])
    (request,) = without.render([person(1)])
    assert isinstance(request, RenderedRequest)
    assert payload(request) == [""]


def test_the_providers_defaults_stand_in_for_what_the_campaign_leaves_out() -> None:
    config = provider(
        '["$$FromName", "$$FromAddress", "$$ReplyToAddress"]',
        default_from_name="Team $$x",
        default_from_address="d@example.com",
        default_reply_to_address="r@example.com",
    )
    campaign = Content(from_name="N", from_address="f@example.com", reply_to="c@example.com")
    assert payloads(config, [person(1, x="A")], Content()) == [
        ["Team A", "d@example.com", "r@example.com"]
    ]
    assert payloads(config, [person(1)], campaign) == [["N", "f@example.com", "c@example.com"]]


TEXT = 'Hi "$$name",\n$$points of $$To and $$Subject'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Subject", replace(PLAIN, subject=TEXT)),
        ("FromName", replace(PLAIN, from_name=TEXT)),
        ("HTML", replace(PLAIN, html=TEXT)),
        ("Plaintext", replace(PLAIN, plaintext=TEXT)),
        ("AMPHTML", replace(PLAIN, amp_html=TEXT)),
    ],
)
def test_content_holds_custom_placeholders_and_no_system_ones(name: str, content: Content) -> None:
    found = one(f'["$${name}", "<$${name}>"]', person(1, "Zoë", points=3.0), content)
    text = 'Hi "Zoë",\n3 of $$To and $$Subject'
    assert found == [text, f"<{text}>"]


def test_addresses_are_values_and_no_templates() -> None:
    content = replace(PLAIN, from_address="$$x@example.com", reply_to="$$y@example.com")
    found = one('["$$FromAddress", "$$ReplyToAddress"]', person(1), content)
    assert found == ["$$x@example.com", "$$y@example.com"]


def test_a_recipients_value_wins_over_the_campaigns() -> None:
    content = replace(PLAIN, replacements={"a": "campaign", "name": "Customer"})
    messages = [
        person(1),
        person(2, "Zoë", a="own"),
        (3, Recipient("p3@example.com", "Zoë", {"name": "Own"})),
        (4, Recipient("p4@example.com", "", {"a": None, "name": None})),
    ]
    assert payloads(provider('["$$a", "$$name", "<$$a>"]'), messages, content) == [
        ["campaign", "Customer", "<campaign>"],
        ["own", "Zoë", "<own>"],
        ["campaign", "Own", "<campaign>"],
        [None, None, "<>"],
    ]


def test_values_that_python_finds_equal_keep_their_own_types() -> None:
    messages = [person(1, x=True), person(2, x=1), person(3, x=1.0), person(4, x=False)]
    bodies = [request.request.body for request in requests(provider('["$$x <$$x>"]'), messages)]
    assert bodies == [b'["true <true>"]', b'["1 <1>"]', b'["1 <1>"]', b'["false <false>"]']
    bodies = [request.request.body for request in requests(provider('["$$x"]'), messages[:2])]
    assert bodies == [b"[true]", b"[1]"]


def test_only_what_is_used_is_required() -> None:
    content = replace(PLAIN, subject="$$a", plaintext="$$unused", replacements={"b": 1})
    config = provider(
        '{"s": "$$Subject", "x": "$$b $$To $$cc", "$$key": 1}', headers={"X-H": "$$h"}
    )
    assert renderer(config, content).required_keys == {"a", "b", "h", "key"}


NEEDS = provider('["$$userid", "$$city", "$$name"]')


@pytest.mark.parametrize(
    ("recipient", "message"),
    [
        (
            Recipient("a@x", "Zoë", {"city": "Pune"}),
            "`userid` is not given, neither with the recipient nor with the campaign",
        ),
        (
            Recipient("a@x", "Zoë", {"city": "Pune", "userID": 1}),
            "`userid` is not given; `userID` is",
        ),
        (
            Recipient("a@x", "", {"userid": 1, "CITY": 1}),
            "`city` is not given; `CITY` is; "
            "`name` is not given, neither with the recipient nor with the campaign",
        ),
        (
            Recipient("a@x", "Zoë", {"Name": 1, "userid": 1}),
            "`city` is not given, neither with the recipient nor with the campaign",
        ),
        (
            Recipient("a@x", "", {"city": 1, "userid": 1}),
            "`name` is not given, neither with the recipient nor with the campaign",
        ),
    ],
)
def test_a_recipient_without_a_needed_value_is_refused_with_the_key(
    recipient: Recipient, message: str
) -> None:
    found = renderer(NEEDS)
    refusal = found.refusal(recipient)
    assert refusal == Refusal("REPLACEMENT_MISSING", message)
    assert list(found.render([(5, recipient)])) == [Rejection(5, "REPLACEMENT_MISSING", message)]


def test_a_near_miss_of_the_campaigns_keys_is_named_too() -> None:
    content = replace(PLAIN, replacements={"USERID": 1, "city": "Pune"})
    refusal = renderer(NEEDS, content).refusal(Recipient("a@x", "Zoë"))
    assert refusal == Refusal("REPLACEMENT_MISSING", "`userid` is not given; `USERID` is")


@pytest.mark.parametrize(
    "recipient",
    [
        Recipient("a@x", "Zoë", {"userid": 1, "city": ""}),
        Recipient("a@x", "", {"userid": None, "city": [], "name": "", "more": 1}),
    ],
)
def test_a_recipient_with_all_values_is_not_refused(recipient: Recipient) -> None:
    assert renderer(NEEDS).refusal(recipient) is None


BATCHED = """{"a": 1, "msgs": [
  {"seq": 1, "to": "$$To", "x": "$$x"}, {"seq": 2, "to": "$$To", "x": "$$x"}
], "z": "$$x"}"""


def ordinals(outcomes: Sequence[RenderedRequest | Rejection]) -> list[object]:
    return [
        outcome.ordinals
        if isinstance(outcome, RenderedRequest)
        else (outcome.ordinal, outcome.reason)
        for outcome in outcomes
    ]


def test_rejected_messages_come_first_and_the_others_go_on_in_full_batches() -> None:
    messages = [person(i, x=i) if i % 3 else person(i) for i in range(8)]
    outcomes = list(renderer(provider(BATCHED, batch=Batch(max_messages=2))).render(messages))
    missing = "REPLACEMENT_MISSING"
    assert ordinals(outcomes) == [(0, missing), (3, missing), (6, missing), (1, 2), (4, 5), (7,)]
    assert isinstance(outcomes[4], RenderedRequest)
    assert payload(outcomes[4]) == {
        "a": 1,
        "msgs": [
            {"seq": 1, "to": "p4@example.com", "x": 4},
            {"seq": 2, "to": "p5@example.com", "x": 5},
        ],
        "z": "$$x",
    }


def test_one_message_is_still_an_array_of_one() -> None:
    config = provider(BATCHED, batch=Batch(max_messages=1000))
    assert payloads(config, [person(3, x="y")]) == [
        {"a": 1, "msgs": [{"seq": 1, "to": "p3@example.com", "x": "y"}], "z": "$$x"}
    ]


def test_the_batch_array_may_be_the_root_and_its_element_a_string() -> None:
    config = provider('["$$x <$$To>"]', batch=Batch(max_messages=2))
    messages = [person(i, x="é") for i in range(3)]
    assert payloads(config, messages) == [
        ["é <p0@example.com>", "é <p1@example.com>"],
        ["é <p2@example.com>"],
    ]


def test_the_element_may_be_nothing_but_the_placeholder() -> None:
    config = provider('{"to": ["$$To"]}', batch=Batch(max_messages=2))
    assert payloads(config, [person(0), person(1)]) == [
        {"to": ["p0@example.com", "p1@example.com"]}
    ]


def test_prototypes_count_up_in_their_own_steps_and_several_at_once() -> None:
    element = '{"to": "$$To", "a": %d, "b": [{"c": %d}], "same": 5}'
    config = provider(f"[{element % (-10, 7)}, {element % (0, 8)}]", batch=Batch(max_messages=3))
    bodies = payloads(config, [person(i) for i in range(4)])
    counts = [[(m["a"], m["b"][0]["c"], m["same"]) for m in body] for body in bodies]
    assert counts == [[(-10, 7, 5), (0, 8, 5), (10, 9, 5)], [(-10, 7, 5)]]


@pytest.mark.parametrize("spare", [0, 1])
def test_a_batch_closes_at_exactly_max_bytes(spare: int) -> None:
    messages = [person(i, x="é" * i) for i in range(12)]
    (whole,) = requests(provider(BATCHED, batch=Batch(max_messages=1000)), messages)
    assert whole.request.body is not None
    limit = Batch(max_messages=1000, max_bytes=len(whole.request.body) - spare)
    found = requests(provider(BATCHED, batch=limit), messages)
    assert [len(request.ordinals) for request in found] == ([12] if spare == 0 else [11, 1])


def test_a_message_that_alone_is_too_large_is_rejected_in_its_turn() -> None:
    config = provider(BATCHED, batch=Batch(max_messages=10, max_bytes=120))
    messages = [person(0, x="a"), person(1, x="b" * 100), person(2, x="c")]
    outcomes = list(renderer(config).render(messages))
    assert ordinals(outcomes) == [(0,), (1, "MESSAGE_TOO_LARGE"), (2,)]
    assert isinstance(outcomes[1], Rejection)
    assert outcomes[1].message == (
        "the message alone makes a body of 165 bytes, and the provider takes 120; "
        "shorten it or raise batch.max_bytes"
    )


def test_bodies_are_made_when_they_are_asked_for() -> None:
    taken: list[int] = []

    def ids(ordinals: Sequence[int]) -> list[str]:
        taken.extend(ordinals)
        return [str(ordinal) for ordinal in ordinals]

    lazy = Renderer(provider('["$$MessageID"]'), CONTENT, campaign_id="1", message_ids=ids)
    outcomes: Iterator[object] = lazy.render([person(4), person(2)])
    assert taken == []
    next(outcomes)
    assert taken == [4, 2]


def test_the_same_messages_give_the_same_bytes() -> None:
    config = provider(BATCHED, batch=Batch(max_messages=2), headers={"X-U": "$$x"})
    messages = [person(i, x=i % 3) for i in range(20)]
    first, again = renderer(config), renderer(config)
    assert (
        list(first.render(messages)) == list(first.render(messages)) == list(again.render(messages))
    )


def test_nothing_to_send_makes_no_request() -> None:
    assert list(renderer(provider(BATCHED, batch=Batch(max_messages=2))).render([])) == []
