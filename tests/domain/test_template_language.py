"""Forms of values, operators, address lists, empty values and shared values in body templates."""

import json
from dataclasses import replace
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaign import Content, Recipient
from domain.forms import mailbox
from domain.provider import AwsSignature, Batch, EmptyValues, ProviderConfig, Secret
from domain.rendering import Message, Refusal, Rejection, RenderedRequest
from tests.domain.rendering_samples import (
    payload,
    payloads,
    person,
    provider,
    renderer,
    requests,
)

CONTENT = Content(
    subject="S", from_name="Acme, Inc.", from_address="f@example.com", html="<p>$$first</p>"
)
SARA = (1, Recipient("sara@example.com", "Sara", {"first": "S", "n": 7.0, "list": [1.0, "é"]}))


def one(template: str, message: Message = SARA, content: Content = CONTENT, **changes: Any) -> Any:
    copies = {name: changes.pop(name) for name in ("cc", "bcc") if name in changes}
    (found,) = payloads(provider(template, **changes), [message], content, **copies)
    return found


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("$$To.mailbox", "Sara <sara@example.com>"),
        ("$$FromAddress.mailbox", '"Acme, Inc." <f@example.com>'),
        ("$$ReplyToAddress.mailbox", ""),
        ("$$To.name", "Sara"),
        ("$$n", 7),
        ("$$n.text", "7"),
        ("$$list", [1, "é"]),
        ("$$list.text", '[1,"é"]'),
        ("$$list.json", '[1,"é"]'),
        ("$$first.json", '"S"'),
        ("$$Subject.json", '"S"'),
        ("$$HTML.json", '"<p>S</p>"'),
        ("$$first.base64", "Uw=="),
        ("$$list.urlencode", "%5B1%2C%22%C3%A9%22%5D"),
        ("<$$n.text> $$To.name.", "<7> Sara."),
        ("$$secret.key", 'k"1'),
        ("Basic $$secret.key.base64", "Basic ayIx"),
        # What is no form is text, as it always was.
        ("$$first.texts $$first.Text $$first.", "S.texts S.Text S."),
        ("$$first.mailbox $$first.name", "S.mailbox S.name"),
        ("{{first}} %recipient.x% *|X|* {{{h}}}", "{{first}} %recipient.x% *|X|* {{{h}}}"),
        ("$$secret.other", "$$secret.other"),
    ],
)
def test_a_form_of_a_value(written: str, found: Any) -> None:
    secrets = (Secret(name="key", value='k"1'),)
    assert one(f'{{"x": "{written}"}}', secrets=secrets) == {"x": found}


def test_a_name_is_never_missing() -> None:
    nameless = (1, Recipient("a@example.com", "", {"name": "not a display name"}))
    template = '{"to": {"email": "$$To", "name": "$$To.name"}, "box": "$$To.mailbox"}'
    assert one(template, nameless) == {
        "to": {"email": "a@example.com", "name": ""},
        "box": "a@example.com",
    }


def test_forms_are_none_of_contents_business() -> None:
    content = replace(CONTENT, html="$$first.json $$To.mailbox $$secret", subject="$$n.base64")
    config = provider('["$$HTML", "$$Subject"]', secrets=(Secret(name="x", value="hidden"),))
    (found,) = payloads(config, [person(1, first="S", n=1, secret="own")], content)
    assert found == ["S.json $$To.mailbox own", "1.base64"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("", "a@x.y"),
        (" \r\n", "a@x.y"),
        ("Sara O'Neil-Ö 今", "Sara O'Neil-Ö 今 <a@x.y>"),
        ("Acme, Inc.", '"Acme, Inc." <a@x.y>'),
        ('Sara "S" \\ x', '"Sara \\"S\\" \\\\ x" <a@x.y>'),
        ("x <evil@x.y>,", '"x <evil@x.y>," <a@x.y>'),
        ("Sara\r\nBcc: e@x.y", '"Sara Bcc: e@x.y" <a@x.y>'),
    ],
)
def test_a_display_name_is_quoted_where_it_has_to_be(name: str, found: str) -> None:
    assert mailbox(name, "a@x.y") == found


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1))
def test_a_mailbox_is_read_as_what_it_was_made_of(name: str) -> None:
    assert parseaddr(mailbox(name, "a@x.y")) == (name, "a@x.y")


@pytest.mark.parametrize(
    ("template", "cc", "bcc", "found"),
    [
        ('{"cc": [{"email": "$$cc"}]}', "ab", "", {"cc": [{"email": "a"}, {"email": "b"}]}),
        ('{"cc": [{"email": "$$cc"}]}', "", "", {"cc": []}),
        ('{"cc": ["$$cc"]}', "ab", "", {"cc": ["a", "b"]}),
        ('{"cc": ["$$cc.mailbox"]}', "ab", "", {"cc": ["a", "b"]}),
        ('{"cc": "$$cc"}', "ab", "", {"cc": "a,b"}),
        ('{"h": [{"k": "Cc", "v": ["$$cc"]}]}', "ab", "", {"h": [{"k": "Cc", "v": ["a", "b"]}]}),
        ('[{"a": {"b": "<$$bcc>"}}]', "", "xy", [{"a": {"b": "<x>"}}, {"a": {"b": "<y>"}}]),
        (
            '{"to": [{"e": "$$To", "t": "to"}, {"e": "$$cc", "t": "cc"}, {"e": "$$bcc"}]}',
            "ab",
            "x",
            {
                "to": [
                    {"e": "p1@example.com", "t": "to"},
                    {"e": "a", "t": "cc"},
                    {"e": "b", "t": "cc"},
                    {"e": "x"},
                ]
            },
        ),
        # The element names `$$To` as well, and another one stands there for To itself.
        (
            '{"r": [{"e": "$$To"}, {"e": "$$cc", "header_to": "$$To"}]}',
            "ab",
            "",
            {
                "r": [
                    {"e": "p1@example.com"},
                    {"e": "a", "header_to": "p1@example.com"},
                    {"e": "b", "header_to": "p1@example.com"},
                ]
            },
        ),
        # A message in an array keeps its copies as values: it never goes with the last of them.
        ('[{"to": "$$To", "cc": "$$cc"}]', "", "", [{"to": "p1@example.com", "cc": ""}]),
        ('{"x": [{"c": "$$cc", "b": "$$bcc"}]}', "ab", "x", {"x": [{"c": "a,b", "b": "x"}]}),
    ],
)
def test_an_element_stands_there_for_each_address_that_it_names(
    template: str, cc: str, bcc: str, found: Any
) -> None:
    assert one(template, person(1), cc=list(cc), bcc=list(bcc)) == found


def test_suppressed_copies_are_left_out_of_lists_as_well() -> None:
    content = replace(CONTENT, cc=("a@x.y", "b@x.y"))
    sending = renderer(provider('{"cc": [{"email": "$$cc", "x": "$$first"}]}'), content)
    assert sending.required_keys == {"first"}
    bodies = [next(iter(sending.render([SARA], cc=cc))) for cc in (["b@x.y"], [], ["b@x.y"])]
    assert [payload(each) for each in bodies if isinstance(each, RenderedRequest)] == [
        {"cc": [{"email": "b@x.y", "x": "S"}]},
        {"cc": []},
        {"cc": [{"email": "b@x.y", "x": "S"}]},
    ]


def test_json_in_a_string() -> None:
    template = '{"d": {"$json": {"html": "$$HTML", "n": ["$$n", 1.50], "in": {"$json": "$$To"}}}}'
    assert one(template) == {"d": '{"html":"<p>S</p>","n":[7,1.50],"in":"\\"sara@example.com\\""}'}


@pytest.mark.parametrize("value", ['"}],\\u0022\\', "a\r\n\tb\x00\u2028", '\\"', "$$To"])
def test_no_value_gets_out_of_json_in_a_string(value: str) -> None:
    found = one('{"d": {"$json": {"in": {"$json": {"v": "$$x", "$$x": 1}}}}}', person(1, x=value))
    assert json.loads(json.loads(found["d"])["in"]) == {"v": value, value: 1}


def test_a_value_as_a_key_is_data() -> None:
    found = one('{"m": {"$$x": "$$x", "k-$$x": 1}, "$$CampaignID": 2}', person(1, x='"}{"to":"e"'))
    assert found == {"m": {'"}{"to":"e"': '"}{"to":"e"', 'k-"}{"to":"e"': 1}, "c-7": 2}


def test_a_value_that_repeats_a_key_rejects_its_message_alone() -> None:
    config = provider('[{"to": "$$To", "$$x": "v"}]', batch=Batch(max_messages=9))
    messages = [person(0, x="a"), person(1, x="to"), person(2, x="b")]
    rejection, request = renderer(config).render(messages)
    assert rejection == Rejection(
        1,
        "KEY_TWICE",
        "two keys of one object come out as 'to', and the ESP would see only one of them; "
        "give other values for the placeholders in the keys",
    )
    assert request == requests(config, [messages[0], messages[2]])[0]


OMITTING: dict[str, Any] = {"empty_values": EmptyValues.OMIT}
SENDGRID = """{
  "to": [{"email": "$$To", "name": "$$To.name"}], "cc": [{"email": "$$cc"}],
  "reply_to": {"email": "$$ReplyToAddress"}, "subject": "Re: $$x", "blank": "", "none": null,
  "content": [
    {"type": "text/plain", "value": "$$Plaintext"}, {"type": "text/html", "value": "$$HTML"}
  ],
  "args": {"mid": "$$MessageID", "x": "$$x", "y": "$$x"},
  "deep": {"a": [{"b": {"c": "$$x", "Charset": "UTF-8"}}]}, "options": {"track": true}, "l": []
}"""


def test_what_is_empty_is_left_out_with_what_holds_it() -> None:
    message = (1, Recipient("a@example.com", "", {"first": "S", "x": ""}))
    assert one(SENDGRID, message, **OMITTING) == {
        "to": [{"email": "a@example.com"}],
        "subject": "Re: ",
        "blank": "",
        "none": None,
        "content": [{"type": "text/html", "value": "<p>S</p>"}],
        "args": {"mid": "mid-1"},
        "options": {"track": True},
        "l": [],
    }


def test_what_is_not_empty_stays() -> None:
    message = (1, Recipient("a@example.com", "A", {"first": "S", "x": 0}))
    content = replace(CONTENT, plaintext="P", reply_to="r@example.com", cc=("c@x.y",))
    found = one(SENDGRID, message, content, cc=["c@x.y"], **OMITTING)
    assert found["cc"] == [{"email": "c@x.y"}]
    assert found["reply_to"] == {"email": "r@example.com"}
    assert [each["type"] for each in found["content"]] == ["text/plain", "text/html"]
    assert found["args"] == {"mid": "mid-1", "x": 0, "y": 0}
    assert found["deep"] == {"a": [{"b": {"c": 0, "Charset": "UTF-8"}}]}


@pytest.mark.parametrize("value", ["", None])
@pytest.mark.parametrize(
    ("template", "left"),
    [
        ('["$$x", "a", {"b": "$$x"}]', ["a"]),
        ('["$$x"]', []),
        ('{"a": "$$x"}', {}),
        ('{"a": "$$x", "literal": 1}', {"literal": 1}),
        ('{"a": {"b": ["$$x", "literal"]}, "c": 1}', {"c": 1}),
        ('{"a": ["$$x", "literal"]}', {"a": ["literal"]}),
        ('{"a": {"$json": {"b": "$$x"}}}', {}),
        ('{"a": {"$json": ["$$x", 1]}}', {"a": "[1]"}),
        ('{"a": "$$x$$x", "b": "$$x-$$x"}', {"b": "-"}),
        ('{"$$x": 1}', {"": 1}),
    ],
)
def test_emptiness_goes_up_to_the_message_and_no_further(
    template: str, left: Any, value: Any
) -> None:
    assert one(template, person(1, x=value), **OMITTING) == left
    batched = {"batch": Batch(max_messages=2), **OMITTING}
    assert one(f'{{"m": [{{"$each": {template}}}]}}', person(1, x=value), **batched) == {
        "m": [left]
    }


def test_empty_values_may_become_null() -> None:
    template = '{"a": "$$x", "b": ["$$x$$Plaintext", "$$n"], "c": "x$$x", "d": "", "cc": ["$$cc"]}'
    found = one(template, person(1, x="", n=0), empty_values=EmptyValues.NULL)
    assert found == {"a": None, "b": [None, 0], "c": "x", "d": "", "cc": []}


def test_prototypes_count_up_also_where_values_are_left_out() -> None:
    elements = ", ".join(f'{{"seq": {n}, "to": "$$To", "x": "$$x"}}' for n in (9, 10))
    config = provider(f'{{"m": [{elements}]}}', batch=Batch(max_messages=3), **OMITTING)
    bodies = payloads(config, [person(i, x="" if i % 2 else i) for i in range(4)])
    assert bodies == [
        {
            "m": [
                {"seq": 9, "to": "p0@example.com", "x": 0},
                {"seq": 10, "to": "p1@example.com"},
                {"seq": 11, "to": "p2@example.com", "x": 2},
            ]
        },
        {"m": [{"seq": 9, "to": "p3@example.com"}]},
    ]


MANDRILL = """{"key": "$$secret.key", "html": "$$HTML", "subject": "$$Subject",
  "to": [{"$each": {"email": "$$To"}}],
  "meta": [{"$each": {"rcpt": "$$To", "values": {"mid": "$$MessageID"}}}],
  "vars": {"$json": {"$each": {"$$To": {"mid": "$$MessageID"}}}}
}"""


def mandrill(**changes: Any) -> ProviderConfig:
    batch = Batch(max_messages=2, group=True)
    given = {"batch": batch, "secrets": (Secret(name="key", value="k"),), **changes}
    return provider(MANDRILL, **given)


def test_messages_stand_in_several_places_of_one_body() -> None:
    (first, second) = payloads(mandrill(), [person(i, first="S") for i in range(3)], CONTENT)
    assert first == {
        "key": "k",
        "html": "<p>S</p>",
        "subject": "S",
        "to": [{"email": "p0@example.com"}, {"email": "p1@example.com"}],
        "meta": [
            {"rcpt": "p0@example.com", "values": {"mid": "mid-0"}},
            {"rcpt": "p1@example.com", "values": {"mid": "mid-1"}},
        ],
        "vars": '{"p0@example.com":{"mid":"mid-0"},"p1@example.com":{"mid":"mid-1"}}',
    }
    assert second["to"] == [{"email": "p2@example.com"}]


def test_the_root_may_be_the_array_of_the_messages() -> None:
    config = provider(
        '[{"$each": {"to": "$$To.mailbox", "cc": "$$cc"}}]', batch=Batch(max_messages=9)
    )
    (found,) = payloads(config, [person(0, "A, B"), person(1)], CONTENT, cc=["c@x.y", "d@x.y"])
    assert found == [
        {"to": '"A, B" <p0@example.com>', "cc": "c@x.y,d@x.y"},
        {"to": "p1@example.com", "cc": "c@x.y,d@x.y"},
    ]


def test_with_each_the_outermost_array_means_nothing() -> None:
    template = '{"base": [{"for": "$$To", "l": ["$$cc"]}], "msgs": {"$each": {"$$To": 1}}}'
    found = one(template, person(1), cc=["c@x.y"], batch=Batch(max_messages=9))
    assert found == {"base": [{"for": "$$To", "l": ["$$cc"]}], "msgs": {"p1@example.com": 1}}


def test_without_batching_each_is_the_one_message() -> None:
    found = one('{"s": "$$Subject", "msgs": [{"$each": "$$To"}]}', person(1))
    assert found == {"s": "S", "msgs": ["p1@example.com"]}


def test_secrets_are_put_in_place_also_where_nothing_else_is_replaced() -> None:
    secrets = (Secret(name="key", value="k"),)
    config: dict[str, Any] = {"batch": Batch(max_messages=9), "secrets": secrets}
    found = one('{"$$secret.key": "$$secret.key $$first", "m": [{"to": "$$To"}]}', SARA, **config)
    assert found == {"k": "k $$first", "m": [{"to": "sara@example.com"}]}


GROUPED = '{"html": "$$HTML", "lang": "$$lang", "m": [{"to": "$$To", "x": "$$x"}]}'


def test_messages_with_equal_values_outside_travel_together() -> None:
    config = provider(GROUPED, batch=Batch(max_messages=2, group=True))
    messages = [
        person(i, first="S", x=i, lang=lang)
        for i, lang in enumerate(["de", "en", "de", "en", "de"])
    ]
    found = requests(config, messages, CONTENT)
    assert [request.ordinals for request in found] == [(0, 2), (4,), (1, 3)]
    assert payload(found[0]) == {
        "html": "<p>S</p>",
        "lang": "de",
        "m": [{"to": "p0@example.com", "x": 0}, {"to": "p2@example.com", "x": 2}],
    }
    for request in found:
        again = [messages[ordinal] for ordinal in request.ordinals]
        assert requests(config, again, CONTENT) == [request]


def test_personal_html_outside_makes_every_request_hold_one_message() -> None:
    config = provider(GROUPED, batch=Batch(max_messages=9, group=True))
    messages = [person(i, first=f"S{i}", x=i, lang="de") for i in range(3)]
    found = requests(config, messages, CONTENT)
    assert [payload(request)["html"] for request in found] == [f"<p>S{i}</p>" for i in range(3)]


def test_headers_group_messages_as_well() -> None:
    batch = Batch(max_messages=9, group=True)
    config = provider(GROUPED, batch=batch, headers={"X-L": "$$lang"})
    messages = [person(i, first="S", x=1, lang="abab"[i]) for i in range(4)]
    assert [r.ordinals for r in requests(config, messages, CONTENT)] == [(0, 2), (1, 3)]


def test_what_is_left_out_outside_is_left_out_for_its_group() -> None:
    config = provider(GROUPED, batch=Batch(max_messages=9, group=True), **OMITTING)
    messages = [person(i, first="S", x=i, lang=["", "en"][i % 2]) for i in range(4)]
    bodies = payloads(config, messages, CONTENT)
    assert [body.get("lang") for body in bodies] == [None, "en"]


def test_messages_with_the_same_key_go_into_different_requests() -> None:
    config = provider('{"by": {"$each": {"$$x": "$$To"}}}', batch=Batch(max_messages=9))
    found = requests(config, [person(i, x="aabca"[i]) for i in range(5)])
    assert [request.ordinals for request in found] == [(0,), (1, 2, 3), (4,)]


@pytest.mark.parametrize(
    ("cc", "bcc", "lengths"),
    [("", "", [5, 2]), ("c", "", [2, 2, 2, 1]), ("c", "xyz", [1] * 7), ("c", "vwxyz", [])],
)
def test_a_request_goes_to_at_most_max_addresses(cc: str, bcc: str, lengths: list[int]) -> None:
    template = '[{"to": "$$To", "cc": "$$cc", "bcc": ["$$bcc"]}]'
    config = provider(template, batch=Batch(max_messages=100, max_addresses=5))
    outcomes = list(
        renderer(config).render([person(i) for i in range(7)], cc=list(cc), bcc=list(bcc))
    )
    assert [len(o.ordinals) for o in outcomes if isinstance(o, RenderedRequest)] == lengths
    reasons = {outcome.reason for outcome in outcomes if isinstance(outcome, Rejection)}
    assert reasons == (set() if lengths else {"TOO_MANY_ADDRESSES"})


def test_a_campaign_with_more_copies_than_a_request_takes_is_refused_in_time() -> None:
    content = replace(CONTENT, cc=("a@x.y", "b@x.y"))
    batch = Batch(max_messages=9, max_addresses=2)
    refusal = renderer(provider('[{"to": "$$To", "cc": "$$cc"}]', batch=batch), content).refusal
    assert refusal(SARA[1]) == Refusal(
        "TOO_MANY_ADDRESSES",
        "the message and its copies go to more than 2 addresses, which is what the provider takes "
        "in one request; remove copies or raise batch.max_addresses",
    )
    unused = renderer(provider('[{"to": "$$To"}]', batch=batch), content)
    assert unused.refusal(SARA[1]) is None


@pytest.mark.parametrize("max_bytes", [150, 400, 1000])
@pytest.mark.parametrize(
    "template", [MANDRILL, '{"a": [{"$each": "$$To"}], "$$first": [{"$each": "$$MessageID"}]}']
)
def test_a_body_with_several_places_stays_below_max_bytes(template: str, max_bytes: int) -> None:
    config = provider(template, batch=Batch(max_messages=9, max_bytes=max_bytes, group=True))
    outcomes = list(renderer(config, CONTENT).render([person(i, first="S") for i in range(9)]))
    carried = [o for o in outcomes if isinstance(o, RenderedRequest)]
    assert all(len(request.request.body or b"") <= max_bytes for request in carried)
    assert sum(len(request.ordinals) for request in carried) == (
        0 if (template, max_bytes) == (MANDRILL, 150) else 9
    )


def test_the_signature_of_a_request_is_the_providers() -> None:
    signature = AwsSignature(
        region="eu-west-1", service="ses", access_key_id="AK", secret_access_key="hidden"
    )
    (request,) = requests(provider('["$$To"]', aws_signature=signature), [person(1)])
    assert request.request.aws_signature == signature
