"""The rules for a provider: each refusal with its field path, its reason and its sentence."""

from dataclasses import replace

import pytest

from domain.answer_mapping import AnswerMapping
from domain.callback import CallbackType
from domain.errors import Violation
from domain.provider import (
    BasicAuthentication,
    Batch,
    BodyEncoding,
    EmptyValues,
    Limits,
    PreferenceCenter,
    PreferenceCenterKind,
    ProviderConfig,
    QueryParameter,
    RequestType,
)
from domain.provider_rules import callback_url_given, check
from domain.webhook_mapping import Signature, SignatureScheme, TypeRule, WebhookMapping
from tests.domain.provider_samples import GET, MESSAGE, POST, center, header, limits, post

WEBHOOK = WebhookMapping(
    type="event.type",
    types=(TypeRule(pattern="sent", type=CallbackType.DELIVERED),),
    email="event.email",
    meta="event.meta",
)


@pytest.mark.parametrize(
    "config",
    [
        POST,
        GET,
        post(query_parameters=(QueryParameter(name="a", value="b"),)),
        post(answer=AnswerMapping(success="body.ok", message_id="body.id")),
        post(webhook=WEBHOOK),
        post(
            batch=Batch(max_messages=5, max_addresses=100_000, group=True),
            parameters=f"[{MESSAGE}]",
        ),
        post(nickname="A"),
        post(nickname="9.of_9-" + "x" * 56),
        post(batch=Batch(max_messages=1), parameters=f'{{"msgs": [{MESSAGE}]}}'),
        post(batch=Batch(max_messages=1000, max_bytes=1024), parameters=f"[{MESSAGE}]"),
        post(default_from_name="Acme Deals, Inc.", default_from_address="deals@example.com"),
        post(default_reply_to_address="jörg@bücher.example"),
        center("NONE"),
        center("CUSTOM_URL", "https://example.com/preferences#email"),
        limits(max_requests_per_second=0.1, max_messages_per_second=1e9),
        limits(max_in_flight=1, timeout_seconds=0.1, max_attempts=1, retry_deadline_seconds=0.0),
        limits(max_in_flight=1000, timeout_seconds=300.0, max_attempts=20),
        limits(retry_deadline_seconds=604_800.0),
    ],
)
def test_a_good_configuration_is_taken(config: ProviderConfig) -> None:
    assert check(config)[0] == []


REFUSALS = [
    # nickname
    (post(nickname=""), "nickname", "REQUIRED", "give the provider a name"),
    (post(nickname="-acme"), "nickname", "INVALID_NICKNAME", "begin with a letter or a digit"),
    (post(nickname="acme mail"), "nickname", "INVALID_NICKNAME", "digits, dots, dashes"),
    (post(nickname="acme/1"), "nickname", "INVALID_NICKNAME", "must be 1 to 63"),
    (post(nickname="acmé"), "nickname", "INVALID_NICKNAME", "A to Z"),
    (post(nickname="a" * 64), "nickname", "INVALID_NICKNAME", "must be 1 to 63"),
    (post(nickname="acme\n"), "nickname", "INVALID_NICKNAME", "must be 1 to 63"),
    # parameters, query and batch
    (post(parameters=""), "parameters", "JSON_SYNTAX", "is empty; give the JSON body"),
    (post(parameters="5"), "parameters", "NOT_OBJECT_OR_ARRAY", "must be a JSON object or array"),
    (post(parameters='{"a" 1}'), "parameters", "JSON_SYNTAX", "line 1, column 6"),
    (
        post(parameters=MESSAGE + " " * 1024 * 1024),
        "parameters",
        "TOO_LONG",
        "is longer than 1048576 bytes",
    ),
    (
        post(query_parameters=(QueryParameter(name="", value="b"),)),
        "query_parameters[0].name",
        "REQUIRED",
        "give the query parameter a name",
    ),
    (
        replace(GET, body_encoding=BodyEncoding.FORM),
        "body_encoding",
        "NOT_WITH_GET",
        "is that of a body, and this is a GET",
    ),
    (
        replace(GET, empty_values=EmptyValues.OMIT),
        "empty_values",
        "NOT_WITH_GET",
        "is about values in a body, and this is a GET",
    ),
    *(
        (
            post(parameters=f"[{MESSAGE}]", batch=Batch(max_messages=5, max_addresses=most)),
            "batch.max_addresses",
            "OUT_OF_RANGE",
            f"is {most:g} and must be 1 to 100,000",
        )
        for most in (0, 100_001)
    ),
    (
        post(answer=AnswerMapping(success="body.[")),
        "answer.success",
        "INVALID_EXPRESSION",
        "",
    ),
    (
        post(webhook=replace(WEBHOOK, type="")),
        "webhook.type",
        "REQUIRED",
        "",
    ),
    (
        post(webhook=replace(WEBHOOK, meta="", esp_message_id="event.id")),
        "webhook.esp_message_id",
        "NO_CORRELATION",
        "answer.message_id",
    ),
    (
        post(webhook=replace(WEBHOOK, signatures=(Signature(scheme=SignatureScheme.SNS),))),
        "webhook.signatures[0].topics",
        "REQUIRED",
        "ARN",
    ),
    (
        replace(GET, parameters=MESSAGE),
        "parameters",
        "NOT_WITH_GET",
        "is the body of a POST, and this is a GET; use query_parameters, or choose POST",
    ),
    (
        replace(GET, batch=Batch(max_messages=10)),
        "batch",
        "NOT_WITH_GET",
        "needs a body to hold several messages; remove it, or choose POST",
    ),
    (
        replace(GET, query_parameters=(*GET.query_parameters, QueryParameter(name="", value=""))),
        "query_parameters[5].name",
        "REQUIRED",
        "give the query parameter a name, or remove it",
    ),
    (
        replace(
            GET, query_parameters=(*GET.query_parameters, QueryParameter(name="n" * 257, value=""))
        ),
        "query_parameters[5].name",
        "TOO_LONG",
        "is longer than 256 characters",
    ),
    (
        replace(
            GET,
            query_parameters=(*GET.query_parameters, QueryParameter(name="n", value="v" * 8193)),
        ),
        "query_parameters[5].value",
        "TOO_LONG",
        "is longer than 8,192 characters",
    ),
    (
        replace(GET, query_parameters=GET.query_parameters * 21),
        "query_parameters",
        "TOO_MANY",
        "are more than 100",
    ),
    (
        post(batch=Batch(max_messages=0), parameters=f"[{MESSAGE}]"),
        "batch.max_messages",
        "OUT_OF_RANGE",
        "is 0 and must be 1 to 1,000",
    ),
    (
        post(batch=Batch(max_messages=1001), parameters=f"[{MESSAGE}]"),
        "batch.max_messages",
        "OUT_OF_RANGE",
        "is 1001 and must be 1 to 1,000",
    ),
    (
        post(batch=Batch(max_messages=10, max_bytes=1023), parameters=f"[{MESSAGE}]"),
        "batch.max_bytes",
        "OUT_OF_RANGE",
        "is 1023 bytes and must be 1,024 to 1,073,741,824 bytes",
    ),
    # sender
    (
        post(default_from_name="Acme\r\nBcc: x"),
        "default_from_name",
        "INVALID_TEXT",
        "holds a line break or another control character; remove it",
    ),
    (post(default_from_name="n" * 999), "default_from_name", "INVALID_TEXT", "998 characters"),
    (
        post(default_from_address="deals"),
        "default_from_address",
        "INVALID_ADDRESS",
        "has no @; give one address, such as news@example.com",
    ),
    (
        post(default_from_address="$$sender@example.com"),
        "default_from_address",
        "PLACEHOLDER_NOT_ALLOWED",
        "cannot hold `$$sender`; nothing is replaced in it",
    ),
    (
        post(default_reply_to_address="a b@example.com"),
        "default_reply_to_address",
        "INVALID_ADDRESS",
        "has a space before the @",
    ),
    # preference center
    (
        center("SYSTEM"),
        "preference_center.kind",
        "NOT_AVAILABLE_YET",
        "cannot be SYSTEM yet: the page comes with a later version; "
        "use CUSTOM_URL with a page of your own, or NONE",
    ),
    (
        center("CUSTOM_URL"),
        "preference_center.custom_url",
        "REQUIRED",
        "give the URL of your page, or choose NONE",
    ),
    (
        center("CUSTOM_URL", "example.com/preferences"),
        "preference_center.custom_url",
        "INVALID_URL",
        "must start with http:// or https://",
    ),
    (
        center("CUSTOM_URL", "https://example.com/" + "x" * 2029),
        "preference_center.custom_url",
        "TOO_LONG",
        "is longer than 2,048 characters",
    ),
    (
        center("NONE", "https://example.com/preferences"),
        "preference_center.custom_url",
        "NOT_WITH_THIS_KIND",
        "has no meaning with NONE; remove it, or choose CUSTOM_URL",
    ),
    # limits
    (
        limits(max_requests_per_second=0.0),
        "limits.max_requests_per_second",
        "OUT_OF_RANGE",
        "must be more than 0 and at most 1,000,000 a second; leave it out for no limit",
    ),
    (
        limits(max_requests_per_second=float("nan")),
        "limits.max_requests_per_second",
        "OUT_OF_RANGE",
        "must be more than 0",
    ),
    (
        limits(max_messages_per_second=-1.0),
        "limits.max_messages_per_second",
        "OUT_OF_RANGE",
        "must be more than 0",
    ),
    (
        limits(max_messages_per_second=float("inf")),
        "limits.max_messages_per_second",
        "OUT_OF_RANGE",
        "at most 1,000,000,000 a second",
    ),
    (limits(max_in_flight=0), "limits.max_in_flight", "OUT_OF_RANGE", "must be 1 to 1,000"),
    (limits(max_in_flight=1001), "limits.max_in_flight", "OUT_OF_RANGE", "must be 1 to 1,000"),
    (
        limits(timeout_seconds=0.0),
        "limits.timeout",
        "OUT_OF_RANGE",
        "is 0 seconds and must be 0.1 to 300 seconds",
    ),
    (limits(timeout_seconds=300.5), "limits.timeout", "OUT_OF_RANGE", "is 300.5 seconds"),
    (limits(timeout_seconds=float("nan")), "limits.timeout", "OUT_OF_RANGE", "0.1 to 300"),
    (limits(max_attempts=0), "limits.max_attempts", "OUT_OF_RANGE", "is 0 and must be 1 to 20"),
    (limits(max_attempts=21), "limits.max_attempts", "OUT_OF_RANGE", "is 21 and must be 1 to 20"),
    (
        limits(retry_deadline_seconds=-1.0),
        "limits.retry_deadline",
        "OUT_OF_RANGE",
        "must be 0 to 604,800 seconds",
    ),
    (limits(retry_deadline_seconds=604801.0), "limits.retry_deadline", "OUT_OF_RANGE", "604,800"),
]


@pytest.mark.parametrize(("config", "field", "reason", "sentence"), REFUSALS)
def test_a_fault_is_refused_with_its_field_its_reason_and_the_way_out(
    config: ProviderConfig, field: str, reason: str, sentence: str
) -> None:
    (violation,) = check(config)[0]
    assert (violation.field, violation.reason) == (field, reason)
    assert sentence in violation.message


def test_all_that_is_wrong_is_reported_together() -> None:
    config = ProviderConfig(
        nickname="no good",
        request_type=RequestType.GET,
        http_endpoint="example.com",
        basic=BasicAuthentication(username="", password="x"),
        headers=(header("Host"),),
        parameters="{}",
        batch=Batch(max_messages=5),
        default_from_address="x",
        preference_center=PreferenceCenter(kind=PreferenceCenterKind.SYSTEM),
        limits=Limits(max_attempts=0),
    )
    fields = [violation.field for violation in check(config)[0]]
    assert fields == [
        "nickname",
        "http_endpoint",
        "authentication.basic.username",
        "headers[0].name",
        "parameters",
        "batch",
        "default_from_address",
        "preference_center.kind",
        "limits.max_attempts",
        # To, Subject, FromName and FromAddress.
        *["query_parameters"] * 4,
    ]


def test_a_callback_url_from_a_client_is_refused() -> None:
    assert callback_url_given() == Violation(
        field="callback_url",
        reason="OUTPUT_ONLY",
        message="is made by the service; leave it empty, and read it in the answer",
    )
