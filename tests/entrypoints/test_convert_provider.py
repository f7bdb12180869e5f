from dataclasses import replace

import pytest
from google.protobuf.duration_pb2 import Duration

from domain import provider_rules
from domain.errors import Advice
from domain.provider import (
    BasicAuthentication,
    Batch,
    Header,
    IdempotencyKey,
    Limits,
    PreferenceCenter,
    PreferenceCenterKind,
    Provider,
    ProviderConfig,
)
from entrypoints.convert.faults import to_warnings
from entrypoints.convert.provider import read_provider, to_config_message, to_provider
from espalier.v1 import provider_pb2
from tests.domain.provider_samples import GET, POST, center, limits, post

SECRET = "hunter2"
SECRETIVE = post(
    basic=BasicAuthentication(username="sara", password=SECRET),
    headers=(
        Header(name="X-Key", value=SECRET, secret=True),
        Header(name="X-Campaign", value="$$CampaignID"),
    ),
)
FULL = post(
    batch=Batch(max_messages=500, max_bytes=4096),
    headers=(Header(name="X-A", value="1"), Header(name="X-B", value="$$age")),
    default_from_name="Acme",
    default_from_address="news@example.com",
    default_reply_to_address="answers@example.com",
    preference_center=PreferenceCenter(
        kind=PreferenceCenterKind.CUSTOM_URL, custom_url="https://example.com/me"
    ),
    limits=Limits(
        max_requests_per_second=0.1,
        max_messages_per_second=1e6,
        max_in_flight=7,
        timeout_seconds=0.25,
        max_attempts=1,
        retry_deadline_seconds=0.0,
    ),
    idempotency_key=IdempotencyKey(header_name="X-Once"),
)


def stored(config: ProviderConfig, *, paused_until: float | None = None) -> Provider:
    return Provider(
        provider_id=3,
        version=2,
        config=config,
        callback_token="token",
        created_at=100.0,
        updated_at=200.5,
        paused_until=paused_until,
        pause_reason="" if paused_until is None else "the ESP asked for a pause",
    )


def read(message: provider_pb2.Provider) -> ProviderConfig:
    """The configuration of a message that has no fault of its own."""
    wanted = read_provider(message)
    assert wanted.faults == ()
    return wanted.config


def violations(message: provider_pb2.Provider) -> dict[str, str]:
    """What a caller is told where no provider is stored."""
    wanted = read_provider(message)
    assert wanted.faults
    refusal = wanted.refusal(provider_rules.check(wanted.config)[0])
    return {v.field: v.reason for v in refusal.violations}


@pytest.mark.parametrize(
    "config",
    [
        POST,
        GET,
        FULL,
        post(batch=Batch(max_messages=1)),
        post(idempotency_key=IdempotencyKey(header_name=None)),
        center("SYSTEM"),
        limits(retry_deadline_seconds=0.0),
    ],
)
def test_a_configuration_without_secrets_comes_back_as_it_went(config: ProviderConfig) -> None:
    wire = to_config_message(config).SerializeToString()
    assert read(provider_pb2.Provider.FromString(wire)) == config


def test_secrets_go_in_and_never_come_back() -> None:
    message = to_provider(stored(SECRETIVE), callback_url="https://e.example.com/c/t", now=0.0)
    assert SECRET.encode() not in message.SerializeToString()
    assert message.authentication.basic.username == "sara"
    assert message.authentication.basic.password_set
    assert [(h.name, h.value, h.secret, h.value_set) for h in message.headers] == [
        ("X-Key", "", True, True),
        ("X-Campaign", "$$CampaignID", False, False),
    ]


def test_secrets_that_are_given_are_read() -> None:
    message = to_config_message(SECRETIVE)
    message.authentication.basic.password = SECRET
    message.headers[0].value = SECRET
    assert read(message) == SECRETIVE


def test_an_empty_secret_is_read_as_empty_so_that_the_stored_one_can_stay() -> None:
    config = read(to_config_message(SECRETIVE))
    assert config.basic is not None
    assert config.basic.password == ""
    assert config.headers[0] == Header(name="X-Key", value="", secret=True)


def test_what_is_left_out_has_the_domain_s_defaults() -> None:
    message = provider_pb2.Provider(request_type=provider_pb2.REQUEST_TYPE_POST)
    config = read(message)
    assert config.limits == Limits()
    assert config.idempotency_key == IdempotencyKey()
    assert config.preference_center == PreferenceCenter()
    assert config.basic is None
    assert config.batch is None


def test_no_authentication_chosen_is_none() -> None:
    message = to_config_message(POST)
    message.authentication.none.SetInParent()
    assert read(message).basic is None


def test_a_limit_of_zero_is_given_and_not_left_out() -> None:
    message = to_config_message(POST)
    message.limits.Clear()
    message.limits.max_in_flight = 0
    message.limits.max_requests_per_second = 0.0
    message.limits.timeout.SetInParent()
    expected = replace(Limits(), max_in_flight=0, max_requests_per_second=0.0, timeout_seconds=0.0)
    assert read(message).limits == expected


def test_a_disabled_idempotency_key_has_no_header_whatever_its_name() -> None:
    message = to_config_message(POST)
    message.idempotency_key.disabled = True
    assert read(message).idempotency_key.header_name is None


def test_a_missing_request_type_is_told_together_with_all_else() -> None:
    message = to_config_message(POST)
    message.request_type = provider_pb2.REQUEST_TYPE_UNSPECIFIED
    message.callback_url = "https://evil.example.com"
    message.http_endpoint = "ftp://example.com"
    message.limits.max_attempts = 0
    assert violations(message) == {
        "provider.callback_url": "OUTPUT_ONLY",
        "provider.request_type": "REQUIRED",
        "provider.http_endpoint": "INVALID_URL",
        "provider.limits.max_attempts": "OUT_OF_RANGE",
    }


def test_without_a_request_type_nothing_is_said_of_what_depends_on_it() -> None:
    message = to_config_message(GET)
    message.request_type = provider_pb2.REQUEST_TYPE_UNSPECIFIED
    assert violations(message) == {"provider.request_type": "REQUIRED"}


def test_a_missing_secret_is_told_beside_a_fault_of_the_message() -> None:
    message = to_config_message(SECRETIVE)
    message.callback_url = "https://example.com"
    assert violations(message) == {
        "provider.callback_url": "OUTPUT_ONLY",
        "provider.authentication.basic.password": "REQUIRED",
        "provider.headers[0].value": "REQUIRED",
    }


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("https://example.com/me", {}),
        ("example.com/me", {"provider.preference_center.custom_url": "INVALID_URL"}),
    ],
)
def test_the_url_of_a_preference_center_of_an_unknown_kind_is_checked_as_one(
    url: str, more: dict[str, str]
) -> None:
    message = to_config_message(POST)
    message.preference_center.kind = 98  # type: ignore[assignment]
    message.preference_center.custom_url = url
    assert violations(message) == {"provider.preference_center.kind": "UNKNOWN_VALUE"} | more


def test_a_duration_that_is_none_is_not_out_of_range_as_well() -> None:
    message = to_config_message(POST)
    message.limits.timeout.CopyFrom(Duration(seconds=-5, nanos=1))
    message.limits.retry_deadline.CopyFrom(Duration(seconds=10**12))
    assert [v.reason for v in read_provider(message).faults] == ["INVALID_DURATION"] * 2
    assert provider_rules.check(read_provider(message).config)[0] == []


def test_values_that_the_api_does_not_know_are_refused() -> None:
    wire = to_config_message(POST)
    wire.request_type = 99  # type: ignore[assignment]
    wire.preference_center.kind = 98  # type: ignore[assignment]
    wire.limits.timeout.CopyFrom(Duration(seconds=1, nanos=-1))
    assert violations(wire) == {
        "provider.request_type": "UNKNOWN_VALUE",
        "provider.preference_center.kind": "UNKNOWN_VALUE",
        "provider.limits.timeout": "INVALID_DURATION",
    }


def test_a_stored_provider_shows_its_times_its_etag_and_its_callback_url() -> None:
    message = to_provider(stored(POST), callback_url="https://e.example.com/c/t", now=0.0)
    assert message.callback_url == "https://e.example.com/c/t"
    assert message.etag == "3-2"
    assert message.create_time.seconds == 100
    assert (message.update_time.seconds, message.update_time.nanos) == (200, 500_000_000)
    assert not message.status.HasField("paused_until")


@pytest.mark.parametrize(("now", "shown"), [(299.0, True), (300.0, False), (301.0, False)])
def test_a_pause_is_shown_until_it_is_over(now: float, shown: bool) -> None:
    message = to_provider(stored(POST, paused_until=300.0), callback_url="", now=now)
    assert message.status.HasField("paused_until") is shown
    assert bool(message.status.pause_reason) is shown


def test_advice_becomes_warnings_under_the_request_s_field_names() -> None:
    advice = [Advice(field="parameters#/a", reason="NOT_REPLACED", message="stays as it is")]
    (warning,) = to_warnings(advice, "provider.")
    assert warning.field == "provider.parameters#/a"
    assert (warning.reason, warning.message) == ("NOT_REPLACED", "stays as it is")
