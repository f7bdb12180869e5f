"""What `espalier provider get` shows of a provider."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from entrypoints.cli.provider_facts import facts_of
from espalier.v1 import provider_pb2
from tests.entrypoints.cli_server import espalier, serving

_FULL = provider_pb2.Provider(
    nickname="acme",
    callback_url="http://localhost/callbacks/t0ken",
    request_type=provider_pb2.REQUEST_TYPE_POST,
    http_endpoint="https://esp.example/send",
    authentication=provider_pb2.Authentication(
        basic=provider_pb2.BasicAuthentication(username="api", password_set=True)
    ),
    headers=[
        provider_pb2.Header(name="X-Key", secret=True, value_set=True),
        provider_pb2.Header(name="X-Version", value="3"),
    ],
    query_parameters=[provider_pb2.QueryParameter(name="to", value="$$To")],
    parameters='{"to": "$$To"}',
    batch=provider_pb2.Batch(
        max_messages=1_000, max_bytes=2_000_000, max_addresses=1_500, group=True
    ),
    secrets=[provider_pb2.Secret(name="key", value_set=True)],
    body_encoding=provider_pb2.BODY_ENCODING_FORM,
    empty_values=provider_pb2.EMPTY_VALUES_OMIT,
    stored_template=True,
    answer=provider_pb2.AnswerMapping(
        success="body.ok",
        rules=[
            provider_pb2.AnswerRule(statuses=[420], outcome=provider_pb2.ANSWER_OUTCOME_RETRY),
        ],
    ),
    webhook=provider_pb2.WebhookMapping(
        type="event.event",
        types=[provider_pb2.TypeRule(pattern="bounce*", type=provider_pb2.WEBHOOK_TYPE_SPAM)],
        signatures=[
            provider_pb2.Signature(
                scheme=provider_pb2.SIGNATURE_SCHEME_HMAC,
                secrets_set=2,
                tolerance=Duration(seconds=2, nanos=500_000_000),
            )
        ],
    ),
    default_from_name="Acme",
    default_from_address="news@acme.example",
    default_reply_to_address="help@acme.example",
    preference_center=provider_pb2.PreferenceCenter(
        kind=provider_pb2.PREFERENCE_CENTER_KIND_CUSTOM_URL, custom_url="https://acme.example/p"
    ),
    limits=provider_pb2.Limits(
        max_requests_per_second=2.5,
        max_messages_per_second=100_000,
        max_in_flight=64,
        timeout=Duration(seconds=1, nanos=500_000_000),
        max_attempts=8,
        retry_deadline=Duration(seconds=604_800),
    ),
    idempotency_key=provider_pb2.IdempotencyKey(header_name="X-Request-Id"),
    etag="e-1",
    create_time=Timestamp(seconds=60),
    update_time=Timestamp(seconds=120),
    status=provider_pb2.ProviderStatus(
        paused_until=Timestamp(seconds=180), pause_reason="It asked for it."
    ),
)


class _Providers:
    def GetProvider(
        self, request: provider_pb2.GetProviderRequest, context: grpc.ServicerContext
    ) -> provider_pb2.GetProviderResponse:
        return provider_pb2.GetProviderResponse(provider=_FULL)


def test_everything_that_is_set_is_shown() -> None:
    with serving(providers=_Providers()) as address:
        result = espalier("provider", "get", "acme", "--address", address)
    assert result.stdout.splitlines() == [
        "Nickname           acme",
        "Request            POST https://esp.example/send",
        "Authentication     basic, api:***",
        "Headers            X-Key: ***",
        "                   X-Version: 3",
        "Query              to=$$To",
        "Secrets            key: ***",
        "Body               form, empty values are left out, subject and content are stored at the "
        "ESP",
        "Batch              up to 1,000 messages and 1,500 addresses and 2,000,000 bytes a request,"
        " grouped by what stands outside of the messages",
        "From               Acme <news@acme.example>",
        "Reply to           help@acme.example",
        "Preference center  custom url, https://acme.example/p",
        "Limits             2.5 requests a second",
        "                   100,000 messages a second",
        "                   64 requests in flight",
        "                   1.5 s for an answer",
        "                   8 attempts at a message",
        "                   604,800 s from the first attempt to the last",
        "Idempotency key    X-Request-Id",
        "Callback URL       http://localhost/callbacks/t0ken",
        "Paused until       1970-01-01 00:03:00 UTC",
        "Paused because     It asked for it.",
        "Created            1970-01-01 00:01:00 UTC",
        "Updated            1970-01-01 00:02:00 UTC",
        "Etag               e-1",
        'Template           {"to": "$$To"}',
        "Answer             success: body.ok",
        "                   rules:",
        "                   - statuses:",
        "                     - 420",
        "                     outcome: RETRY",
        "Webhook            type: event.event",
        "                   types:",
        "                   - pattern: bounce*",
        "                     type: SPAM",
        "                   signatures:",
        "                   - scheme: HMAC",
        "                     secrets_set: 2",
        "                     tolerance: 2.5s",
    ]


@pytest.mark.parametrize(
    ("provider", "name", "shown"),
    [
        (provider_pb2.Provider(), "Authentication", "none"),
        (provider_pb2.Provider(default_from_name="Acme"), "From", "Acme"),
        (provider_pb2.Provider(default_from_address="a@x.example"), "From", "<a@x.example>"),
        (
            provider_pb2.Provider(
                authentication=provider_pb2.Authentication(
                    aws_signature=provider_pb2.AwsSignature(
                        region="eu-west-1",
                        service="ses",
                        access_key_id="AKIA",
                        secret_access_key_set=True,
                    )
                )
            ),
            "Authentication",
            "AWS signature for ses in eu-west-1, AKIA:***",
        ),
        (
            provider_pb2.Provider(
                body_encoding=provider_pb2.BODY_ENCODING_JSON,
                empty_values=provider_pb2.EMPTY_VALUES_BLANK,
            ),
            "Body",
            "",
        ),
        (
            provider_pb2.Provider(empty_values=provider_pb2.EMPTY_VALUES_NULL),
            "Body",
            "empty values are null",
        ),
        (
            provider_pb2.Provider(batch=provider_pb2.Batch(max_messages=1)),
            "Batch",
            "up to 1 message a request",
        ),
        (
            provider_pb2.Provider(
                preference_center=provider_pb2.PreferenceCenter(
                    kind=provider_pb2.PREFERENCE_CENTER_KIND_NONE
                )
            ),
            "Preference center",
            "none",
        ),
        (
            provider_pb2.Provider(idempotency_key=provider_pb2.IdempotencyKey(disabled=True)),
            "Idempotency key",
            "none",
        ),
    ],
)
def test_what_is_set_in_part_is_shown_in_part(
    provider: provider_pb2.Provider, name: str, shown: str
) -> None:
    assert facts_of(provider)[name] == shown


def test_no_field_of_a_provider_is_forgotten() -> None:
    empty = facts_of(provider_pb2.Provider())
    for field in provider_pb2.Provider.DESCRIPTOR.fields:
        alone = provider_pb2.Provider()
        value = getattr(_FULL, field.name)
        if field.is_repeated:
            getattr(alone, field.name).extend(value)
        elif field.message_type is not None:
            getattr(alone, field.name).CopyFrom(value)
        else:
            setattr(alone, field.name, value)
        assert facts_of(alone) != empty, field.name
