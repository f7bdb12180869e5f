"""Which stored secrets stay where a configuration leaves its own empty."""

from dataclasses import replace

import pytest

from domain.provider import AwsSignature, ProviderConfig, Secret
from domain.provider_secrets import NONE, with_secret_values
from domain.stored_secrets import with_stored_secrets
from domain.webhook_mapping import Signature, SignatureScheme, WebhookMapping
from tests.domain.provider_samples import BASIC, header, post

AWS = AwsSignature(
    region="eu-west-1", service="ses", access_key_id="AKIA", secret_access_key="aws key"
)
TOKEN = Signature(scheme=SignatureScheme.HEADER_TOKEN, secrets=("token",))
FIRST = Signature(scheme=SignatureScheme.HMAC, secrets=("first", "older"))
SECOND = Signature(scheme=SignatureScheme.HMAC, secrets=("second",))
STORED = post(
    http_endpoint="https://api.example.com/send",
    basic=BASIC,
    headers=(header("X-Key", "key", secret=True),),
    secrets=(Secret(name="a", value="value a"), Secret(name="b", value="value b")),
    webhook=WebhookMapping(signatures=(FIRST, TOKEN, SECOND)),
)
SIGNED = replace(STORED, basic=None, aws_signature=AWS)


def signatures(*wanted: Signature) -> tuple[Signature, ...]:
    config = post(webhook=WebhookMapping(signatures=wanted))
    filled, given_up = with_stored_secrets(config, STORED)
    assert given_up == []
    assert filled.webhook is not None
    return filled.webhook.signatures


def bare(signature: Signature) -> Signature:
    return replace(signature, secrets=())


@pytest.mark.parametrize("stored", [STORED, SIGNED])
@pytest.mark.parametrize("endpoint", ["https://api.example.com/v2/$$To", "https://api.example.com"])
def test_all_secrets_stay_while_the_server_does(stored: ProviderConfig, endpoint: str) -> None:
    wanted = replace(with_secret_values(stored, NONE), http_endpoint=endpoint)
    assert with_stored_secrets(wanted, stored) == (replace(stored, http_endpoint=endpoint), [])


@pytest.mark.parametrize(
    ("stored", "authentication"),
    [
        (STORED, "authentication.basic.password"),
        (SIGNED, "authentication.aws_signature.secret_access_key"),
    ],
)
def test_what_is_sent_never_goes_to_another_server_and_what_only_checks_stays(
    stored: ProviderConfig, authentication: str
) -> None:
    elsewhere = "https://evil.example.com/send"
    wanted = replace(with_secret_values(stored, NONE), http_endpoint=elsewhere)
    filled, given_up = with_stored_secrets(wanted, stored)
    assert filled == replace(wanted, webhook=stored.webhook)
    assert [(each.field, each.reason) for each in given_up] == [
        (field, "SECRET_OF_ANOTHER_SERVER")
        for field in (authentication, "headers[0].value", "secrets[0].value", "secrets[1].value")
    ]


def test_a_secret_is_found_by_its_name_and_one_that_is_given_counts() -> None:
    wanted = replace(
        STORED,
        secrets=(
            Secret(name="b", value=""),
            Secret(name="a", value="given"),
            Secret(name="c", value=""),
        ),
    )
    filled, _ = with_stored_secrets(wanted, STORED)
    assert [secret.value for secret in filled.secrets] == ["value b", "given", ""]


def test_a_signature_keeps_the_secrets_of_its_scheme_in_their_order() -> None:
    assert signatures(bare(TOKEN), bare(FIRST), bare(SECOND)) == (TOKEN, FIRST, SECOND)


def test_a_signature_with_secrets_takes_the_place_of_the_one_in_its_order() -> None:
    given = replace(FIRST, secrets=("new",))
    assert signatures(given, bare(SECOND)) == (given, SECOND)


def test_another_scheme_keeps_nothing() -> None:
    other = Signature(scheme=SignatureScheme.MANDRILL)
    assert signatures(other) == (other,)


def test_where_no_webhook_is_stored_there_is_nothing_to_keep() -> None:
    wanted = post(webhook=WebhookMapping(signatures=(bare(TOKEN),)))
    assert with_stored_secrets(wanted, post()) == (wanted, [])
