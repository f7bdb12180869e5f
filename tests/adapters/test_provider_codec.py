"""Configurations of providers as they are stored."""

import orjson
from hypothesis import given

from adapters.sql.provider_codec import decode, encode
from domain.provider import (
    BasicAuthentication,
    BodyEncoding,
    EmptyValues,
    Header,
    IdempotencyKey,
    Limits,
    ProviderConfig,
    RequestType,
)
from domain.provider_secrets import NONE, SecretValues, secret_values, with_secret_values
from tests.domain.provider_strategies import configs
from tests.domain.test_provider_secrets import FULL

# What version 0.1 wrote, before there was more to say of an ESP.
EARLIER = {
    "nickname": "acme",
    "request_type": "POST",
    "http_endpoint": "https://api.example.com/v1/send",
    "basic": {"username": "sara", "password": ""},
    "headers": [
        {"name": "X-Open", "value": "open", "secret": False},
        {"name": "X-Key", "value": "", "secret": True},
    ],
    "query_parameters": [],
    "parameters": '{"to": "$$To"}',
    "batch": {"max_messages": 500, "max_bytes": None},
    "default_from_name": "",
    "default_from_address": "",
    "default_reply_to_address": "",
    "preference_center": {"kind": "NONE", "custom_url": ""},
    "limits": {
        "max_requests_per_second": None,
        "max_messages_per_second": None,
        "max_in_flight": 64,
        "timeout_seconds": 30.0,
        "max_attempts": 8,
        "retry_deadline_seconds": 3600.0,
    },
    "idempotency_key": {"header_name": None},
}
EARLIER_SECRETS = {"password": "hunter2", "headers": ["", "k3y"]}


@given(configs())
def test_what_is_stored_is_what_comes_back(config: ProviderConfig) -> None:
    assert decode(*encode(config)) == config


@given(configs())
def test_the_part_that_is_not_sealed_holds_no_secret(config: ProviderConfig) -> None:
    blank = encode(config)[0]
    nothing = orjson.dumps({})
    assert decode(blank, nothing) == with_secret_values(config, NONE)


def test_every_secret_stands_in_the_sealed_part_alone() -> None:
    text, sealed = encode(FULL)
    assert orjson.loads(sealed)["signatures"] == [["h1", "h2"], []]
    for secret in ("opens nothing", "aws key", "first", "second", "h1", "h2"):
        assert f'"{secret}"' not in text
        assert f'"{secret}"'.encode() in sealed
    assert secret_values(decode(text, sealed)) == secret_values(FULL)


def test_a_provider_that_an_earlier_version_stored_has_the_defaults_for_what_came_since() -> None:
    found = decode(orjson.dumps(EARLIER).decode(), orjson.dumps(EARLIER_SECRETS))
    assert found.basic == BasicAuthentication(username="sara", password="hunter2")
    assert found.headers == (
        Header(name="X-Open", value="open"),
        Header(name="X-Key", value="k3y", secret=True),
    )
    assert found.batch is not None
    assert (found.batch.max_messages, found.batch.max_addresses) == (500, None)
    assert found.batch.group is False
    assert found.limits == Limits()
    assert found.idempotency_key == IdempotencyKey(header_name=None)
    assert found.request_type is RequestType.POST
    assert found.body_encoding is BodyEncoding.JSON
    assert found.empty_values is EmptyValues.BLANK
    assert (found.aws_signature, found.secrets, found.webhook) == (None, (), None)


def test_a_field_that_a_later_version_stored_does_no_harm() -> None:
    stored = orjson.loads(encode(FULL)[0]) | {"from_the_future": 1}
    found = decode(orjson.dumps(stored).decode(), orjson.dumps({}))
    assert found == with_secret_values(FULL, SecretValues())
