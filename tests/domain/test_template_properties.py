"""What the rules for templates let pass can be sent, whatever is written into a template."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.campaign import Content, Recipient
from domain.errors import InvalidRequest
from domain.provider import Batch, BodyEncoding, EmptyValues, ProviderConfig, Secret
from domain.rendering import RenderedRequest
from domain.template import inspect
from tests.domain.rendering_samples import provider, renderer

TEXTS = st.sampled_from(
    [
        *("", "x", "$$To", "$$cc", "$$bcc.mailbox", "$$HTML", "$$MessageID", "$$a", "$$a.json"),
        *("$$secret.k", "$$To.name", "$$FromAddress.mailbox", "$each", "$json"),
    ]
)

# Operators as words stand where keys are, and operators as they should be made by `map`.
LEAVES = TEXTS.filter(lambda text: not text.startswith("$e")) | st.integers(0, 3) | st.none()
plain: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXTS.filter(lambda text: text not in ("$each", "$json")), inner)
        | inner.map(lambda operand: {"$json": operand})
    ),
    max_leaves=6,
)
places: st.SearchStrategy[Any] = st.recursive(
    plain
    | plain.map(lambda operand: [{"$each": operand}])
    | plain.map(lambda operand: {"$each": {"$$To": operand}}),
    lambda inner: (
        inner.map(lambda operand: {"$json": operand})
        | st.tuples(inner, plain).map(lambda pair: dict(zip("ab", pair, strict=True)))
        | st.tuples(plain, inner).map(list)
    ),
    max_leaves=2,
)
wild: st.SearchStrategy[Any] = st.recursive(
    places,
    lambda inner: st.dictionaries(TEXTS, inner, max_size=3) | inner.map(lambda x: [{"$each": x}]),
    max_leaves=3,
)


def configs(templates: st.SearchStrategy[Any]) -> st.SearchStrategy[ProviderConfig]:
    """Providers whose headers hold all that must be there, so that it is the body that decides."""
    made = provider(
        headers={"X": "$$FromName $$FromAddress $$CampaignID"},
        secrets=(Secret(name="k", value="hidden"),),
        stored_template=True,
    )
    named = st.dictionaries(st.sampled_from("uvw"), templates, max_size=2)
    parameters = named.map(lambda body: {**body, "t": [{"$each": "$$To"}]}) | named.map(
        lambda body: {**body, "to": ["$$To"]}
    )
    return st.builds(
        replace,
        st.just(made),
        parameters=parameters.map(json.dumps),
        batch=st.none() | st.builds(Batch, max_messages=st.integers(1, 3), group=st.booleans()),
        body_encoding=st.sampled_from([BodyEncoding.JSON, BodyEncoding.JSON, *BodyEncoding]),
        empty_values=st.sampled_from(list(EmptyValues)),
    )


PEOPLE = [(i, Recipient(f"p{i}@x.y", "N", {"a": value})) for i, value in enumerate(["", None, 7])]
CONTENT = Content(subject="S", from_name="N", from_address="f@x.y", html="H", cc=("c@x.y",))


@given(configs(places))
@settings(max_examples=300)
def test_a_template_that_is_not_refused_can_be_sent(config: ProviderConfig) -> None:
    violations, _ = inspect(config)
    if violations:
        return
    outcomes = list(renderer(config, CONTENT).render(PEOPLE, cc=["c@x.y"]))
    assert outcomes
    for outcome in outcomes:
        if isinstance(outcome, RenderedRequest) and config.body_encoding is BodyEncoding.JSON:
            json.loads(outcome.request.body or b"")


@given(configs(wild))
@settings(max_examples=200)
def test_a_template_that_cannot_be_sent_is_refused(config: ProviderConfig) -> None:
    try:
        list(renderer(config, CONTENT).render(PEOPLE))
    except InvalidRequest:
        assert inspect(config)[0]
