"""Rendering against a naive reference: parse the template, walk it for each message, compare."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.campaign import Content, JsonValue, Recipient
from domain.provider import Batch, EmptyValues, ProviderConfig, Secret
from domain.rendering import Message, Rejection, RenderedRequest
from tests.domain.rendering_reference import KeyTwice, Reference, same
from tests.domain.rendering_samples import (
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


@given(templates, contents, messages)
def test_what_comes_out_parses_to_what_was_meant(
    template: Any, content: Content, people: list[Message]
) -> None:
    config = provider(json.dumps({"t": template}))
    found = requests(config, people, content, cc=["c@x.y", "d@x.y"])
    assert [request.ordinals for request in found] == [(ordinal,) for ordinal, _ in people]
    for request, message in zip(found, people, strict=True):
        assert same(payload(request), Reference(content).single({"t": template}, message))


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
                Reference(content).single({"seq": 5 + 3 * i, "to": "$$To", "t": template}, message)
                for i, message in enumerate((o, by_ordinal[o]) for o in outcome.ordinals)
            ],
        }
        assert same(payload(outcome), meant)
        assert len(outcome.ordinals) <= max_messages
        assert max_bytes is None or len(outcome.request.body or b"") <= max_bytes
        assert not header or len({by_ordinal[o].email for o in outcome.ordinals}) == 1


FORMS = (
    *("To.name", "To.mailbox", "FromAddress.mailbox", "cc.mailbox", "a.text", "a.json"),
    *("ab.base64", "name.urlencode", "Subject.json", "HTML.base64", "a.mailbox", "secret.k"),
)
COPIES = ["c@x.y", "d@x.y"]
SECRET = Secret(name="k", value='s"e\\c$$To')
formed_texts = st.lists(
    st.sampled_from([f"$${name}" for name in (*NAMES, *FORMS)]) | structure, max_size=3
).map("".join)
formed_keys = structure | st.sampled_from(["$$a", "$$To", "k$$ab", "$$secret.k"])
formed_templates = st.recursive(
    formed_texts | st.sampled_from(["$$a", "$$name", "$$cc", "$$To.name"]) | st.integers(-9, 9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(formed_keys, inner, max_size=3)
        | inner.map(lambda operand: {"$json": operand})
    ),
    max_leaves=8,
)
blank_values = values | st.sampled_from(["", None])
sparse = st.dictionaries(st.sampled_from(KEYS), blank_values, max_size=3)
sparse_contents = st.builds(
    Content,
    subject=template_texts,
    from_name=template_texts,
    from_address=st.sampled_from(["f@x.y", ""]),
    html=template_texts,
    replacements=st.fixed_dictionaries(dict.fromkeys(KEYS, blank_values)),
)
sparse_recipients = st.builds(
    Recipient, st.from_regex(r"[ab]@x\.y", fullmatch=True), hostile | st.just(""), sparse
)
sparse_messages = st.lists(sparse_recipients, min_size=1, max_size=6).map(
    lambda people: list(enumerate(people))
)
policies = st.sampled_from(list(EmptyValues))


def reference_of(config: ProviderConfig, content: Content, copies: list[str]) -> Reference:
    return Reference(content, config.empty_values, {"k": SECRET.value}, copies)


@given(formed_templates, sparse_contents, sparse_messages, policies, st.booleans())
@settings(max_examples=300)
def test_forms_operators_and_empty_values_come_out_as_the_naive_rendering_says(
    template: Any, content: Content, people: list[Message], policy: EmptyValues, copied: bool
) -> None:
    template = {"t": template, "u": [template]}
    copies = COPIES if copied else []
    config = provider(json.dumps(template), empty_values=policy, secrets=(SECRET,))
    reference = reference_of(config, content, copies)
    outcomes = {
        ordinals_of(outcome)[0]: outcome
        for outcome in renderer(config, content).render(people, cc=copies)
    }
    assert outcomes.keys() == {ordinal for ordinal, _ in people}
    for ordinal, recipient in people:
        outcome = outcomes[ordinal]
        try:
            meant = reference.single(template, (ordinal, recipient))
        except KeyTwice:
            assert isinstance(outcome, Rejection)
            assert outcome.reason == "KEY_TWICE"
        else:
            assert isinstance(outcome, RenderedRequest)
            assert same(payload(outcome), meant)


@given(
    st.tuples(*[formed_templates] * 4),
    sparse_contents,
    sparse_messages,
    policies,
    st.builds(
        Batch,
        max_messages=st.integers(1, 5),
        max_bytes=st.none() | st.integers(300, 3_000),
        max_addresses=st.none() | st.integers(3, 9),
        group=st.booleans(),
    ),
)
@settings(max_examples=100)
def test_messages_in_several_places_come_out_as_the_naive_rendering_says(
    parts: tuple[Any, ...],
    content: Content,
    people: list[Message],
    policy: EmptyValues,
    batch: Batch,
) -> None:
    template = {
        "frame": parts[0],
        "all": [{"$each": {"mid": "$$MessageID", "t": parts[1]}}],
        "plain": [{"$each": parts[2]}],
        "by": {"$each": {"$$To": parts[3]}},
        "text": {"$json": {"ids": [{"$each": "$$MessageID"}]}},
        "cc": "$$cc",
    }
    config = provider(json.dumps(template), batch=batch, empty_values=policy, secrets=(SECRET,))
    reference = reference_of(config, content, COPIES)
    sending, by_ordinal = renderer(config, content), dict(people)
    outcomes = list(sending.render(people, cc=COPIES))
    assert sorted(o for outcome in outcomes for o in ordinals_of(outcome)) == sorted(by_ordinal)
    for outcome in outcomes:
        own = [(ordinal, by_ordinal[ordinal]) for ordinal in ordinals_of(outcome)]
        if isinstance(outcome, Rejection):
            assert outcome.reason in ("KEY_TWICE", "MESSAGE_TOO_LARGE")
            continue
        assert same(payload(outcome), reference.batch(template, own, group=batch.group))
        assert list(outcome.ordinals) == sorted(outcome.ordinals)
        assert len(own) <= batch.max_messages
        assert batch.max_bytes is None or len(outcome.request.body or b"") <= batch.max_bytes
        assert batch.max_addresses is None or 3 * len(own) <= batch.max_addresses
        # A request is repeated from its messages alone.
        assert list(sending.render(own, cc=COPIES)) == [outcome]


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
