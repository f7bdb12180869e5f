"""The rules for a campaign: each refusal with its field path, its reason and its sentence."""

from dataclasses import replace
from typing import Any

import pytest

from domain.campaign import CampaignSpec, Content, JsonValue, Recipient
from domain.campaign_rules import (
    apply_defaults,
    check_complete,
    check_content,
    check_recipient,
    check_spec,
    unsendable,
)
from domain.provider import ProviderConfig, RequestType

NOW = 1_800_000_000.0
CONTENT = Content(
    subject="Your 20% discount awaits, $$name!",
    from_name="Acme Deals",
    from_address="deals@example.com",
    html="<p>Hello $$name</p>",
)
SPEC = CampaignSpec(request_id="b1c9-1", provider="acme", content=CONTENT)
CONFIG = ProviderConfig(
    nickname="acme",
    request_type=RequestType.POST,
    http_endpoint="https://api.example.com/send",
    default_from_name="Acme",
    default_from_address="acme@example.com",
    default_reply_to_address="help@example.com",
)


def spec(**changes: Any) -> CampaignSpec:
    return replace(SPEC, **changes)


def content(**changes: Any) -> CampaignSpec:
    return replace(SPEC, content=replace(CONTENT, **changes))


def nested(depth: int) -> JsonValue:
    value: JsonValue = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "good",
    [
        SPEC,
        spec(request_id="!" * 128),
        spec(name="n" * 200),
        spec(send_at=NOW - 5),
        spec(send_at=NOW + 5, send_before=NOW + 6),
        spec(send_at=NOW - 5, send_before=NOW + 1),
        # What is missing here is asked of content and provider together.
        spec(content=Content()),
        content(subject="s" * 998),
        content(reply_to="help@example.com", cc=("a@example.com",) * 50, bcc=("b@example.com",)),
        content(html="x" * 10 * 1024 * 1024),
        content(replacements={"age": 41, "_tags": ["a", {"To": None}], "Name2": ""}),
        content(replacements={"deep": nested(200)}),
    ],
)
def test_a_good_campaign_is_taken(good: CampaignSpec) -> None:
    assert check_spec(good, now=NOW) == []


@pytest.mark.parametrize(
    ("bad", "field", "reason", "sentence"),
    [
        (spec(request_id=""), "campaign.request_id", "REQUIRED", "such as a UUID"),
        (spec(request_id="a b"), "campaign.request_id", "INVALID_REQUEST_ID", "without a space"),
        (spec(request_id="é"), "campaign.request_id", "INVALID_REQUEST_ID", "visible ASCII"),
        (spec(request_id="a\n"), "campaign.request_id", "INVALID_REQUEST_ID", "visible ASCII"),
        (spec(request_id="x" * 129), "campaign.request_id", "INVALID_REQUEST_ID", "1 to 128"),
        (spec(provider=""), "campaign.provider", "REQUIRED", "give the nickname of a provider"),
        (spec(name="n" * 201), "campaign.name", "TOO_LONG", "is longer than 200 characters"),
        (
            spec(send_before=NOW),
            "campaign.send_before",
            "IN_THE_PAST",
            "has passed already; give a later time, or leave it out",
        ),
        (
            spec(send_at=NOW + 10, send_before=NOW + 10),
            "campaign.send_before",
            "BEFORE_SEND_AT",
            "is not after send_at",
        ),
        (
            content(subject="Hello\r\nBcc: tom@example.com"),
            "campaign.subject",
            "INVALID_TEXT",
            "holds a line break or another control character; remove it",
        ),
        (content(subject="Hello\n"), "campaign.subject", "INVALID_TEXT", "holds a line break"),
        (content(subject="a\0b"), "campaign.subject", "INVALID_TEXT", "control character"),
        (content(subject="s" * 999), "campaign.subject", "INVALID_TEXT", "998 characters"),
        (content(from_name="A\rB"), "campaign.from_name", "INVALID_TEXT", "holds a line break"),
        (
            content(from_address="Acme <deals@example.com>"),
            "campaign.from_address",
            "INVALID_ADDRESS",
            "has a name or < and > around it; give one address, such as news@example.com",
        ),
        (
            content(from_address="$$sender@example.com"),
            "campaign.from_address",
            "PLACEHOLDER_NOT_ALLOWED",
            "cannot hold `$$sender`; nothing is replaced in it",
        ),
        (content(reply_to="help"), "campaign.reply_to", "INVALID_ADDRESS", "has no @"),
        (
            content(cc=("a@example.com",) * 3 + ("b@",)),
            "campaign.cc[3]",
            "INVALID_ADDRESS",
            "has nothing after the @; give one address, such as news@example.com",
        ),
        (content(bcc=("",)), "campaign.bcc[0]", "INVALID_ADDRESS", "has no @"),
        (
            content(cc=("a@example.com",) * 51),
            "campaign.cc",
            "TOO_MANY",
            "holds 51 addresses, and may hold 50; remove some",
        ),
        (content(bcc=("a@example.com",) * 51), "campaign.bcc", "TOO_MANY", "may hold 50"),
        (
            content(html="ü" * 5 * 1024 * 1024 + "x"),
            "campaign.html",
            "TOO_LONG",
            "has 10,485,761 bytes, and may have 10,485,760",
        ),
        (
            content(plaintext="x" * 10_485_761),
            "campaign.plaintext",
            "TOO_LONG",
            "may have 10,485,760",
        ),
        (content(amp_html="x" * 10_485_761), "campaign.amp_html", "TOO_LONG", "link to images"),
        (
            content(replacements={"To": "tom@example.com"}),
            "campaign.replacements.To",
            "SYSTEM_NAME",
            "choose another key",
        ),
        (
            content(replacements={"first name": "Sara"}),
            "campaign.replacements.first name",
            "INVALID_KEY",
            "use letters, digits and underscores",
        ),
        (
            content(replacements={"2nd": "x"}),
            "campaign.replacements.2nd",
            "INVALID_KEY",
            "no digit in front",
        ),
        (
            content(replacements={"age": float("nan")}),
            "campaign.replacements.age",
            "NUMBER_NOT_JSON",
            "JSON has no such number",
        ),
        (
            content(replacements={"big": "x" * 1024 * 1024}),
            "campaign.replacements",
            "TOO_LONG",
            "into their own replacements",
        ),
        (
            content(replacements={"deep": nested(300)}),
            "campaign.replacements",
            "TOO_DEEP",
            "keep it below 200 levels",
        ),
    ],
)
def test_a_fault_is_refused_with_its_field_its_reason_and_the_way_out(
    bad: CampaignSpec, field: str, reason: str, sentence: str
) -> None:
    (violation,) = check_spec(bad, now=NOW)
    assert (violation.field, violation.reason) == (field, reason)
    assert sentence in violation.message


def test_all_that_is_wrong_is_reported_together() -> None:
    bad = CampaignSpec(
        request_id="",
        provider="",
        content=Content(subject="\n", from_address="x", cc=("y",), replacements={"cc": "z"}),
        send_at=2.0,
        send_before=1.0,
    )
    assert [violation.field for violation in check_spec(bad, now=NOW)] == [
        "campaign.request_id",
        "campaign.provider",
        "campaign.send_before",
        "campaign.send_before",
        "campaign.subject",
        "campaign.from_address",
        "campaign.cc[0]",
        "campaign.replacements.cc",
    ]


def test_a_test_email_is_held_to_the_rules_of_content_alone() -> None:
    assert check_content(CONTENT) == []
    (violation,) = check_content(replace(CONTENT, reply_to="help"))
    assert violation.field == "campaign.reply_to"


def test_the_providers_defaults_fill_what_the_campaign_leaves_open() -> None:
    bare = spec(content=Content(subject="Hello", html="<p>", cc=("a@example.com",)))
    assert apply_defaults(bare, CONFIG) == Content(
        subject="Hello",
        html="<p>",
        cc=("a@example.com",),
        from_name="Acme",
        from_address="acme@example.com",
        reply_to="help@example.com",
    )


def test_what_the_campaign_gives_wins_over_the_defaults() -> None:
    assert apply_defaults(content(reply_to="sara@example.com"), CONFIG) == replace(
        CONTENT, reply_to="sara@example.com"
    )


@pytest.mark.parametrize(
    ("missing", "field", "sentence"),
    [
        ({"subject": ""}, "campaign.subject", "is missing; give the subject line"),
        ({"subject": "  "}, "campaign.subject", "is missing; give the subject line"),
        ({"from_name": ""}, "campaign.from_name", "or a default_from_name to the provider"),
        ({"from_address": ""}, "campaign.from_address", "or a default_from_address"),
        ({"html": ""}, "campaign.html", "is missing; give the HTML body"),
    ],
)
def test_what_every_template_needs_must_be_there(
    missing: dict[str, str], field: str, sentence: str
) -> None:
    (violation,) = check_complete(replace(CONTENT, **missing), CONFIG)  # type: ignore[arg-type]
    assert (violation.field, violation.reason) == (field, "REQUIRED")
    assert sentence in violation.message


def test_a_get_needs_no_html_since_it_has_no_place_for_it() -> None:
    config = replace(CONFIG, request_type=RequestType.GET)
    assert check_complete(replace(CONTENT, html=""), config) == []


def test_an_esp_that_keeps_the_template_needs_no_subject_and_no_html() -> None:
    config = replace(CONFIG, stored_template=True)
    assert check_complete(replace(CONTENT, html="", subject=""), config) == []
    (violation,) = check_complete(replace(CONTENT, from_name=""), config)
    assert violation.field == "campaign.from_name"


def test_a_complete_campaign_misses_nothing() -> None:
    assert check_complete(CONTENT, CONFIG) == []


@pytest.mark.parametrize(
    ("recipient", "field", "reason", "sentence"),
    [
        (Recipient(""), "recipients[17].email", "REQUIRED", "give every recipient an address"),
        (Recipient(" \t"), "recipients[17].email", "REQUIRED", "give every recipient an address"),
        (
            Recipient("a@example.com", "", {"MessageID": "x"}),
            "recipients[17].replacements.MessageID",
            "SYSTEM_NAME",
            "choose another key",
        ),
        (
            Recipient("a@example.com", "", {"age": float("inf")}),
            "recipients[17].replacements.age",
            "NUMBER_NOT_JSON",
            "JSON has no such number",
        ),
    ],
)
def test_a_recipient_that_no_message_can_be_made_for_refuses_the_call(
    recipient: Recipient, field: str, reason: str, sentence: str
) -> None:
    (violation,) = check_recipient(17, recipient)
    assert (violation.field, violation.reason) == (field, reason)
    assert sentence in violation.message


def test_all_faults_of_a_recipient_are_told() -> None:
    recipient = Recipient(" ", "", {"To": "x", "Subject": "y", "age": float("nan")})
    assert [violation.field for violation in check_recipient(3, recipient)] == [
        "recipients[3].email",
        "recipients[3].replacements.Subject",
        "recipients[3].replacements.To",
        "recipients[3].replacements.age",
    ]


@pytest.mark.parametrize(
    "recipient",
    [
        Recipient("sara@example.com"),
        Recipient("sara@example.com", "Sara", {"userID": "user_9021", "age": 41}),
        # The columns of a file may have any name.
        Recipient("sara@example.com", "", {"First name": "Sara"}),
        # An impossible address costs this message, not the call.
        Recipient("sara@"),
    ],
)
def test_a_recipient_with_an_address_refuses_nothing(recipient: Recipient) -> None:
    assert not check_recipient(0, recipient)


@pytest.mark.parametrize(
    ("recipient", "sentence"),
    [
        (Recipient("sara@"), "the address has nothing after the @"),
        (Recipient("sara example.com"), "the address has no @"),
        (
            Recipient("sara@example.com\r\n"),
            "the address holds a line break, a control character or an invisible one; type it anew",
        ),
    ],
)
def test_an_impossible_recipient_costs_its_own_message_alone(
    recipient: Recipient, sentence: str
) -> None:
    assert unsendable(recipient) == sentence
    assert not check_recipient(0, recipient)


@pytest.mark.parametrize("name", ["", "Sara, née Ü", "Sara\nBcc: tom@example.com", "n" * 999])
def test_a_name_is_a_value_like_any_other_and_costs_no_message(name: str) -> None:
    assert unsendable(Recipient("sara@example.com", name)) is None
