"""Rendering against a naive reference: parse the template, walk it for each message, compare."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.campaign import Content, JsonValue, Recipient
from domain.provider import Batch
from domain.rendering import Message, Rejection, RenderedRequest
from tests.domain.rendering_samples import (
    message_ids,
    payload,
    provider,
    query_provider,
    renderer,
    requests,
)

# Texts that look like structure: what an injection would be made of.
hostile = st.text(alphabet='"\\{}[],:$\n\r\t\x00\x1f/*aToé今😀\u2028', max_size=12)
texts = st.one_of(hostile, st.text(max_size=12), st.sampled_from(["$$To", '"}],"x":[{"', "$$a"]))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
KEYS = ("a", "ab", "name")
replacements = st.dictionaries(st.sampled_from(KEYS), values, max_size=3)
NAMES = ("To", "Subject", "FromName", "HTML", "MessageID", "cc", "CampaignID", "a", "ab", "name")
structure = st.text(alphabet='"\\{}[],:\n\r\t\x00\x1f/*é今😀\u2028', max_size=12)
template_texts = st.lists(
    # No letter or digit stands between the placeholders, so that each ends where it should.
    st.sampled_from([f"$${name}" for name in NAMES]) | structure,
    max_size=4,
).map("".join)
templates = st.recursive(
    template_texts | st.integers() | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(structure, inner, max_size=3),
    max_leaves=8,
)
contents = st.builds(
    Content,
    subject=template_texts,
    from_name=template_texts,
    html=template_texts,
    replacements=st.fixed_dictionaries(dict.fromkeys(KEYS, values)),
)
recipients = st.builds(
    Recipient, st.from_regex(r"[a-z]{1,3}@x\.y", fullmatch=True), hostile, replacements
)
messages = st.lists(recipients, max_size=12).map(lambda people: list(enumerate(people)))

PLACEHOLDER = re.compile(r"\$\$([A-Za-z_][A-Za-z0-9_]*)")


def plain(value: Any) -> Any:
    """The same value with whole numbers written as integers, as JSON from a double would be."""
    match value:
        case float():
            return int(value) if value.is_integer() and abs(value) <= 2**53 else value
        case list():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
    return value


def text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(plain(value)).decode()


def custom(content: Content, recipient: Recipient) -> dict[str, JsonValue]:
    own_name: dict[str, JsonValue] = {"name": recipient.name} if recipient.name else {}
    return {**content.replacements, **own_name, **recipient.replacements}


def filled(text: str, known: Mapping[str, Any]) -> str:
    return PLACEHOLDER.sub(lambda m: text_of(known[m[1]]) if m[1] in known else m[0], text)


def reference(template: Any, content: Content, message: Message) -> Any:
    ordinal, recipient = message
    own = custom(content, recipient)
    known: dict[str, Any] = {
        **own,
        "To": recipient.email,
        "Subject": filled(content.subject, own),
        "FromName": filled(content.from_name, own),
        "HTML": filled(content.html, own),
        "MessageID": message_ids([ordinal])[0],
        "cc": "c@x.y,d@x.y",
        "CampaignID": "c-7",
    }

    def walk(node: Any) -> Any:
        match node:
            case str():
                whole = PLACEHOLDER.fullmatch(node)
                return plain(known[whole[1]]) if whole else filled(node, known)
            case list():
                return [walk(item) for item in node]
            case dict():
                return {key: walk(item) for key, item in node.items()}
        return node

    return walk(template)


def same(left: Any, right: Any) -> bool:
    """Equal as JSON is: true is not 1, and the order of keys is kept."""
    return json.dumps(left) == json.dumps(right)


@given(templates, contents, messages)
def test_what_comes_out_parses_to_what_was_meant(
    template: Any, content: Content, people: list[Message]
) -> None:
    config = provider(json.dumps({"t": template}))
    found = requests(config, people, content, cc=["c@x.y", "d@x.y"])
    assert [request.ordinals for request in found] == [(ordinal,) for ordinal, _ in people]
    for request, message in zip(found, people, strict=True):
        assert same(payload(request), reference({"t": template}, content, message))


@given(
    templates,
    contents,
    messages,
    st.integers(1, 5),
    st.none() | st.integers(100, 2_000),
    st.booleans(),
)
@settings(max_examples=150)
def test_batches_hold_each_message_once_in_order_and_within_the_limits(
    template: Any,
    content: Content,
    people: list[Message],
    max_messages: int,
    max_bytes: int | None,
    header: bool,
) -> None:
    # Every message is counted; what varies by person in a header splits batches.
    elements = [{"seq": i, "to": "$$To", "t": template} for i in (5, 8)]
    whole = {"head": "$$a", "msgs": elements, "tail": {"x": ["$$a", 1.0], "y": "to $$To"}}
    config = provider(
        json.dumps(whole),
        batch=Batch(max_messages=max_messages, max_bytes=max_bytes),
        headers={"X-To": "$$To"} if header else {},
    )
    outcomes = list(renderer(config, content).render(people, cc=["c@x.y", "d@x.y"]))

    by_ordinal = dict(people)
    seen = [ordinal for outcome in outcomes for ordinal in ordinals_of(outcome)]
    assert seen == [ordinal for ordinal, _ in people]
    for outcome in outcomes:
        if isinstance(outcome, Rejection):
            assert outcome.reason == "MESSAGE_TOO_LARGE"
            continue
        meant = {
            **whole,
            "msgs": [
                reference({"seq": 5 + 3 * i, "to": "$$To", "t": template}, content, message)
                for i, message in enumerate((o, by_ordinal[o]) for o in outcome.ordinals)
            ],
        }
        assert same(payload(outcome), meant)
        assert len(outcome.ordinals) <= max_messages
        assert max_bytes is None or len(outcome.request.body or b"") <= max_bytes
        assert not header or len({by_ordinal[o].email for o in outcome.ordinals}) == 1


def ordinals_of(outcome: RenderedRequest | Rejection) -> tuple[int, ...]:
    return (outcome.ordinal,) if isinstance(outcome, Rejection) else outcome.ordinals


@given(st.dictionaries(st.sampled_from(["a", "b"]), texts), st.integers(0, 3))
def test_exactly_the_messages_without_a_value_are_rejected(
    given_values: dict[str, JsonValue], others: int
) -> None:
    config = provider('["$$a", "x $$b"]')
    people = [(i, Recipient("o@x.y", "", {"a": 1, "b": 2})) for i in range(others)]
    people.append((others, Recipient("p@x.y", "", given_values)))
    sending = renderer(config, Content())
    rejected = [o.ordinal for o in sending.render(people) if isinstance(o, Rejection)]
    assert rejected == ([] if given_values.keys() == {"a", "b"} else [others])
    assert [i for i, person in people if sending.refusal(person)] == rejected


@given(texts)
def test_no_value_gets_out_of_its_query_parameter(value: str) -> None:
    config = query_provider([("x", "<$$a>"), ("y", "$$a")])
    (request,) = requests(config, [(0, Recipient("p@x.y", "", {"a": value}))], Content())
    query = urlsplit(request.request.url).query
    assert parse_qsl(query, keep_blank_values=True) == [("x", f"<{value}>"), ("y", value)]
    assert query.isascii()
