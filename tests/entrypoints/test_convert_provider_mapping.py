"""What describes an ESP beside its requests, to and from the API."""

from hypothesis import given

from domain.answer_mapping import AnswerMapping, AnswerOutcome
from domain.provider import AwsSignature, BodyEncoding, EmptyValues, ProviderConfig, Secret
from domain.provider_secrets import NONE, with_secret_values
from domain.webhook_mapping import WebhookAnswers, WebhookMapping
from entrypoints.convert.provider import to_config_message
from espalier.v1 import provider_pb2
from tests.domain.provider_samples import POST, post
from tests.domain.provider_strategies import configs
from tests.domain.test_provider_secrets import FULL
from tests.entrypoints.test_convert_provider import read, violations


@given(configs())
def test_all_of_a_configuration_but_its_secrets_comes_back_as_it_went(
    config: ProviderConfig,
) -> None:
    wire = to_config_message(config).SerializeToString()
    assert read(provider_pb2.Provider.FromString(wire)) == with_secret_values(config, NONE)


def test_no_secret_comes_back_and_what_is_stored_is_told() -> None:
    message = to_config_message(FULL)
    wire = message.SerializeToString()
    for secret in (b"opens nothing", b"aws key", b"first", b"second", b"h1", b"h2"):
        assert secret not in wire
    assert message.authentication.basic.password_set
    assert [(each.name, each.value_set) for each in message.secrets] == [("a", True), ("b", True)]
    assert [each.secrets_set for each in message.webhook.signatures] == [2, 0]


def test_an_aws_signature_comes_back_without_its_key() -> None:
    aws = AwsSignature(
        region="eu-west-1", service="ses", access_key_id="AKIA", secret_access_key="hidden"
    )
    message = to_config_message(post(aws_signature=aws))
    assert message.authentication.aws_signature == provider_pb2.AwsSignature(
        region="eu-west-1", service="ses", access_key_id="AKIA", secret_access_key_set=True
    )


def test_secrets_that_are_given_are_read() -> None:
    message = to_config_message(POST)
    message.authentication.aws_signature.secret_access_key = "aws key"
    message.secrets.add(name="key", value="value")
    message.webhook.signatures.add(scheme=provider_pb2.SIGNATURE_SCHEME_HMAC, secrets=["a", "b"])
    config = read(message)
    assert config.aws_signature is not None
    assert config.aws_signature.secret_access_key == "aws key"
    assert config.secrets == (Secret(name="key", value="value"),)
    assert config.webhook is not None
    assert config.webhook.signatures[0].secrets == ("a", "b")


def test_what_is_left_out_has_the_domain_s_defaults() -> None:
    message = provider_pb2.Provider(request_type=provider_pb2.REQUEST_TYPE_POST)
    message.webhook.SetInParent()
    message.answer.items.SetInParent()
    config = read(message)
    assert config.webhook == WebhookMapping()
    assert config.webhook.answers == WebhookAnswers()
    assert (config.body_encoding, config.empty_values) == (BodyEncoding.JSON, EmptyValues.BLANK)
    assert config.answer.items is not None
    assert config.answer.items.unlisted is AnswerOutcome.ACCEPTED


def test_an_absent_webhook_is_none_and_an_empty_answer_says_nothing() -> None:
    message = to_config_message(POST)
    assert not message.HasField("webhook")
    assert not message.HasField("answer")
    message.answer.SetInParent()
    assert read(message).webhook is None
    assert read(message).answer == AnswerMapping()


def test_keeping_nothing_is_told_from_not_saying_how_long() -> None:
    message = to_config_message(POST)
    message.webhook.keep_raw.SetInParent()
    webhook = read(message).webhook
    assert webhook is not None
    assert webhook.keep_raw_seconds == 0.0


def test_choices_that_are_missing_or_unknown_are_told_with_their_places() -> None:
    message = to_config_message(POST)
    message.body_encoding = 97  # type: ignore[assignment]
    message.answer.rules.add(statuses=[420])
    message.answer.waits.add(at="headers.wait", unit=96)
    message.webhook.type = "event.type"
    message.webhook.meta = "event.meta"
    message.webhook.types.add(pattern="sent")
    message.webhook.keep_raw.seconds = 10**12
    assert violations(message) == {
        "provider.body_encoding": "UNKNOWN_VALUE",
        "provider.answer.rules[0].outcome": "REQUIRED",
        "provider.answer.waits[0].unit": "UNKNOWN_VALUE",
        "provider.webhook.types[0].type": "REQUIRED",
        "provider.webhook.keep_raw": "INVALID_DURATION",
    }


def test_of_a_signature_without_a_scheme_nothing_more_is_said() -> None:
    message = to_config_message(POST)
    message.webhook.type = "event.type"
    message.webhook.meta = "event.meta"
    message.webhook.types.add(pattern="sent", type=provider_pb2.WEBHOOK_TYPE_DELIVERED)
    message.webhook.signatures.add(scheme=provider_pb2.SIGNATURE_SCHEME_HMAC)
    message.webhook.signatures.add()
    assert violations(message) == {
        "provider.webhook.signatures[0].secrets": "REQUIRED",
        "provider.webhook.signatures[0].signature": "REQUIRED",
        "provider.webhook.signatures[1].scheme": "REQUIRED",
    }
