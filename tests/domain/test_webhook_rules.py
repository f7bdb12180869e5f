"""Which webhook mappings are refused, and how it is told."""

import math
from dataclasses import replace
from typing import Any

import pytest

from domain.answer_mapping import AnswerMapping
from domain.callback import CallbackType
from domain.webhook_mapping import (
    Signature,
    SignatureScheme,
    TypeRule,
    WebhookAnswers,
    WebhookFormat,
    WebhookMapping,
)
from domain.webhook_rules import check, check_correlation

GOOD = WebhookMapping(
    events="body.events",
    skip="event.test",
    type="event.event",
    types=(
        TypeRule(pattern="delivered", type=CallbackType.DELIVERED),
        TypeRule(pattern="*", type=CallbackType.UNKNOWN),
    ),
    email="event.email || recipient",
    meta="header(event.headers, 'x-mid')",
    dedupe='headers."x-id"',
)


def test_a_good_mapping_has_no_fault() -> None:
    assert list(check(GOOD)) == []


@pytest.mark.parametrize(
    ("changes", "field", "reason", "told"),
    [
        ({"type": "event..x"}, "webhook.type", "INVALID_EXPRESSION", "character 7"),
        ({"email": "msg.email"}, "webhook.email", "UNKNOWN_SCOPE", "msg"),
        ({"events": "event.x"}, "webhook.events", "UNKNOWN_SCOPE", "body"),
        ({"events": ""}, "webhook.events", "REQUIRED", "`body`"),
        ({"type": ""}, "webhook.type", "REQUIRED", "UNKNOWN"),
        ({"types": ()}, "webhook.types", "REQUIRED", "UNKNOWN"),
        ({"meta": ""}, "webhook.meta", "NO_CORRELATION", "$$MessageID"),
        ({"dedupe": 'headers."X-Id"'}, "webhook.dedupe", "NEVER_FOUND", "lower case"),
        ({"email": "form.email"}, "webhook.email", "NEVER_FOUND", "FORM"),
        ({"format": WebhookFormat.QUERY}, "webhook.events", "NEVER_FOUND", "query"),
        (
            {"types": (*GOOD.types, TypeRule(pattern="open", type=CallbackType.OPENED))},
            "webhook.types[2].pattern",
            "UNREACHABLE",
            "types[1]",
        ),
        ({"types": GOOD.types[:1] * 2}, "webhook.types[1].pattern", "UNREACHABLE", "types[0]"),
        ({"types": GOOD.types[:1] * 201}, "webhook.types", "TOO_MANY", "200"),
        (
            {"types": (replace(GOOD.types[0], pattern="x" * 257),)},
            "webhook.types[0].pattern",
            "TOO_LONG",
            "256",
        ),
        ({"answers": WebhookAnswers(success=302)}, "webhook.answers.success", "OUT_OF_RANGE", "2"),
        (
            {"answers": WebhookAnswers(malformed=304)},
            "webhook.answers.malformed",
            "OUT_OF_RANGE",
            "4",
        ),
        (
            {"answers": WebhookAnswers(overloaded=200)},
            "webhook.answers.overloaded",
            "OUT_OF_RANGE",
            "400",
        ),
        (
            {"answers": WebhookAnswers(bad_signature=200)},
            "webhook.answers.bad_signature",
            "OUT_OF_RANGE",
            "4",
        ),
        ({"keep_raw_seconds": -1.0}, "webhook.keep_raw", "OUT_OF_RANGE", "90 days"),
        ({"keep_raw_seconds": math.nan}, "webhook.keep_raw", "OUT_OF_RANGE", "90 days"),
    ],
)
def test_a_fault_names_its_place_and_the_way_out(
    changes: dict[str, Any], field: str, reason: str, told: str
) -> None:
    faults = [fault for fault in check(replace(GOOD, **changes)) if fault.field == field]
    assert [fault.reason for fault in faults][:1] == [reason]
    assert told in faults[0].message


def test_a_signature_that_cannot_be_checked_is_named_by_its_place() -> None:
    signature = Signature(scheme=SignatureScheme.HMAC)
    faults = list(check(replace(GOOD, signatures=(signature,))))
    assert faults
    assert all(fault.field.startswith("webhook.signatures[0].") for fault in faults)


def test_an_id_of_the_esp_is_of_use_only_where_answers_tell_it() -> None:
    by_id = replace(GOOD, meta="", esp_message_id="event.id")
    (fault,) = check_correlation(by_id, AnswerMapping())
    assert fault.field == "webhook.esp_message_id"
    assert "answer.message_id" in fault.message
    assert list(check_correlation(by_id, AnswerMapping(message_id="body.id"))) == []
    assert list(check_correlation(GOOD, AnswerMapping())) == []
