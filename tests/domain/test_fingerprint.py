from collections.abc import Sequence
from dataclasses import replace

import pytest

from domain.campaign import CampaignSpec, Content, DeliveryGuarantee, Recipient
from domain.fingerprint import Fingerprint

SPEC = CampaignSpec(
    request_id="r-1",
    provider="acme",
    content=Content(subject="Hello", html="<p>", cc=("c@x.org",), replacements={"a": 1, "b": [2]}),
)
PEOPLE = [Recipient("a@x.org", "A", {"k": 1, "l": {"m": 2, "n": 3}}), Recipient("b@x.org")]


def fingerprint(spec: CampaignSpec, *parts: Sequence[Recipient]) -> bytes:
    made = Fingerprint(spec)
    for part in parts:
        made.add(part)
    return made.digest()


def test_the_cut_of_the_recipients_makes_no_difference() -> None:
    assert fingerprint(SPEC, PEOPLE) == fingerprint(SPEC, PEOPLE[:1], [], PEOPLE[1:])


def test_the_order_of_keys_makes_no_difference() -> None:
    other = [PEOPLE[0]._replace(replacements={"l": {"n": 3, "m": 2}, "k": 1}), PEOPLE[1]]
    assert fingerprint(SPEC, PEOPLE) == fingerprint(SPEC, other)


@pytest.mark.parametrize(
    "spec",
    [
        replace(SPEC, provider="other"),
        replace(SPEC, name="n"),
        replace(SPEC, guarantee=DeliveryGuarantee.AT_LEAST_ONCE),
        replace(SPEC, send_at=5.0),
        replace(SPEC, content=replace(SPEC.content, html="<p> ")),
        replace(SPEC, content=replace(SPEC.content, replacements={"a": 1, "b": [3]})),
    ],
    ids=["provider", "name", "guarantee", "send_at", "html", "replacements"],
)
def test_any_other_campaign_has_another_fingerprint(spec: CampaignSpec) -> None:
    assert fingerprint(spec, PEOPLE) != fingerprint(SPEC, PEOPLE)


@pytest.mark.parametrize(
    "people",
    [[], PEOPLE[:1], PEOPLE[::-1], [*PEOPLE, PEOPLE[0]], [PEOPLE[0]._replace(name=""), PEOPLE[1]]],
    ids=["none", "fewer", "another order", "more", "another name"],
)
def test_any_other_recipients_have_another_fingerprint(people: list[Recipient]) -> None:
    assert fingerprint(SPEC, people) != fingerprint(SPEC, PEOPLE)
