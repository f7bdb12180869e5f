"""The secrets of a configuration apart from it."""

from hypothesis import given

from domain.provider import AwsSignature, ProviderConfig, Secret
from domain.provider_secrets import NONE, SecretValues, secret_values, with_secret_values
from domain.webhook_mapping import Signature, SignatureScheme, WebhookMapping
from tests.domain.provider_samples import BASIC, header, post
from tests.domain.provider_strategies import configs

HMAC = Signature(scheme=SignatureScheme.HMAC, secrets=("h1", "h2"))
SNS = Signature(scheme=SignatureScheme.SNS)
FULL = post(
    basic=BASIC,
    aws_signature=AwsSignature(
        region="eu-west-1", service="ses", access_key_id="AKIA", secret_access_key="aws key"
    ),
    headers=(header("X-Key", "key", secret=True), header("X-Open", "open")),
    secrets=(Secret(name="a", value="first"), Secret(name="b", value="second")),
    webhook=WebhookMapping(signatures=(HMAC, SNS)),
)


def test_every_secret_is_found_in_its_place() -> None:
    assert secret_values(FULL) == SecretValues(
        password=BASIC.password,
        headers=("key", ""),
        secret_access_key="aws key",
        secrets=("first", "second"),
        signatures=(("h1", "h2"), ()),
    )


def test_without_values_nothing_that_is_secret_is_left() -> None:
    blank = with_secret_values(FULL, NONE)
    assert secret_values(blank) == SecretValues(
        headers=("", ""), secrets=("", ""), signatures=((), ())
    )
    assert blank.headers[1].value == "open"


@given(configs())
def test_apart_and_together_again_it_is_the_same(config: ProviderConfig) -> None:
    values = secret_values(config)
    assert with_secret_values(with_secret_values(config, NONE), values) == config


def test_no_secret_shows_in_a_repr() -> None:
    shown = f"{FULL!r} {secret_values(FULL)!r}"
    for secret in (BASIC.password, "aws key", "'key'", "'first'", "'second'", "'h1'"):
        assert secret not in shown
