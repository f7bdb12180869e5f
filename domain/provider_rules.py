"""The rules for a provider's configuration: what refuses it, and what a person should know of it.

All that is wrong is reported together. Field paths are those of the API's Provider message; the
sentences continue them (`nickname` ... `is missing`) and name the way out.
"""

import re
from collections.abc import Iterator, Sequence

from domain import (
    address,
    answer_rules,
    http_rules,
    secret_rules,
    template,
    webhook_rules,
)
from domain.errors import Advice, Violation
from domain.provider import (
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
from domain.replacements import placeholders

MAX_NICKNAME_CHARACTERS = 63
MAX_PARAMETERS_BYTES = 1024 * 1024
MAX_QUERY_PARAMETERS = 100
MAX_QUERY_NAME_CHARACTERS = 256
MAX_QUERY_VALUE_CHARACTERS = 8192
MAX_URL_CHARACTERS = 2048
# RFC 5322 allows no longer line in a message.
MAX_LINE_CHARACTERS = 998

MAX_BATCH_MESSAGES = 1000
# No message with an HTML body is shorter; a smaller limit would reject every one.
MIN_BATCH_BYTES = 1024
MAX_BATCH_BYTES = 1024**3
# A hundred for each message.
MAX_BATCH_ADDRESSES = 100_000

MAX_REQUESTS_PER_SECOND = 1e6
MAX_MESSAGES_PER_SECOND = 1e9
MAX_IN_FLIGHT = 1000
MIN_TIMEOUT_SECONDS = 0.1
MAX_TIMEOUT_SECONDS = 300.0
MAX_ATTEMPTS = 20
MAX_RETRY_DEADLINE_SECONDS = 7 * 86_400.0

_NICKNAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NICKNAME_CHARACTERS - 1}}}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def check(config: ProviderConfig) -> tuple[list[Violation], list[Advice]]:
    """What is wrong with a configuration, and what is allowed and worth knowing."""
    violations = [
        *_check_nickname(config.nickname),
        *http_rules.check_endpoint(config.http_endpoint),
        *(http_rules.check_basic(config.basic) if config.basic else ()),
        *(
            secret_rules.check_aws_signature(config, config.aws_signature)
            if config.aws_signature
            else ()
        ),
        *http_rules.check_headers(config),
        *http_rules.check_idempotency_key(config.idempotency_key, config.headers),
        *_check_query(config.query_parameters),
        *(_check_get(config) if config.request_type is RequestType.GET else _check_post(config)),
        *_check_sender(config),
        *_check_preference_center(config.preference_center),
        *_check_limits(config.limits),
        *answer_rules.check(config.answer),
        *_check_webhook(config),
    ]
    advice = list(http_rules.http_advice(config))
    # A template beyond the limit is not even parsed.
    if len(config.parameters) <= MAX_PARAMETERS_BYTES:
        of_template, advice_on_template = template.inspect(config)
        violations += [*secret_rules.check_secrets(config), *of_template]
        advice += advice_on_template
    return violations, advice


def callback_url_given() -> Violation:
    """For a caller who sends a callback_url: it is ours to give."""
    message = "is made by the service; leave it empty, and read it in the answer"
    return Violation(field="callback_url", reason="OUTPUT_ONLY", message=message)


def line_fault(text: str) -> str | None:
    """Why a text cannot be one line of a message (a subject, a display name)."""
    if _CONTROL.search(text):
        return "holds a line break or another control character; remove it"
    if len(text) > MAX_LINE_CHARACTERS:
        return f"is longer than {MAX_LINE_CHARACTERS} characters, which no mail line may be"
    return None


def check_address(text: str, field: str) -> Iterator[Violation]:
    """One address in a configuration or a campaign, where nothing is replaced."""
    name = next(placeholders(text), None)
    if name is not None:
        message = f"cannot hold `$${name}`; nothing is replaced in it, so give the address itself"
        yield Violation(field=field, reason="PLACEHOLDER_NOT_ALLOWED", message=message)
        return
    fault = address.fault(text)
    if fault is not None:
        message = f"{fault}; give one address, such as news@example.com"
        yield Violation(field=field, reason="INVALID_ADDRESS", message=message)


def _check_nickname(nickname: str) -> Iterator[Violation]:
    if not nickname:
        message = "is missing; give the provider a name"
        yield Violation(field="nickname", reason="REQUIRED", message=message)
    elif not _NICKNAME.fullmatch(nickname):
        message = (
            f"must be 1 to {MAX_NICKNAME_CHARACTERS} letters (A to Z, a to z), digits, dots, "
            "dashes and underscores, and begin with a letter or a digit"
        )
        yield Violation(field="nickname", reason="INVALID_NICKNAME", message=message)


def _check_get(config: ProviderConfig) -> Iterator[Violation]:
    if config.parameters:
        message = "is the body of a POST, and this is a GET; use query_parameters, or choose POST"
        yield Violation(field="parameters", reason="NOT_WITH_GET", message=message)
    if config.batch is not None:
        message = "needs a body to hold several messages; remove it, or choose POST"
        yield Violation(field="batch", reason="NOT_WITH_GET", message=message)
    if config.body_encoding is not BodyEncoding.JSON:
        message = "is that of a body, and this is a GET; remove it, or choose POST"
        yield Violation(field="body_encoding", reason="NOT_WITH_GET", message=message)
    if config.empty_values is not EmptyValues.BLANK:
        message = "is about values in a body, and this is a GET; remove it, or choose POST"
        yield Violation(field="empty_values", reason="NOT_WITH_GET", message=message)


def _check_query(parameters: Sequence[QueryParameter]) -> Iterator[Violation]:
    if len(parameters) > MAX_QUERY_PARAMETERS:
        message = f"are more than {MAX_QUERY_PARAMETERS}; put constant ones into http_endpoint"
        yield Violation(field="query_parameters", reason="TOO_MANY", message=message)
    for i, parameter in enumerate(parameters):
        field = f"query_parameters[{i}]"
        if not parameter.name:
            message = "is missing; give the query parameter a name, or remove it"
            yield Violation(field=f"{field}.name", reason="REQUIRED", message=message)
        yield from _check_length(parameter.name, f"{field}.name", MAX_QUERY_NAME_CHARACTERS)
        yield from _check_length(parameter.value, f"{field}.value", MAX_QUERY_VALUE_CHARACTERS)


def _check_post(config: ProviderConfig) -> Iterator[Violation]:
    # That there are parameters at all is among the rules of the template.
    if len(config.parameters.encode(errors="surrogatepass")) > MAX_PARAMETERS_BYTES:
        message = f"is longer than {MAX_PARAMETERS_BYTES} bytes; move content into the campaign"
        yield Violation(field="parameters", reason="TOO_LONG", message=message)
    if config.batch is not None:
        yield from _check_batch(config.batch)


def _check_batch(batch: Batch) -> Iterator[Violation]:
    yield from _check_range(batch.max_messages, "batch.max_messages", 1, MAX_BATCH_MESSAGES)
    if batch.max_bytes is not None:
        yield from _check_range(
            batch.max_bytes, "batch.max_bytes", MIN_BATCH_BYTES, MAX_BATCH_BYTES, " bytes"
        )
    if batch.max_addresses is not None:
        yield from _check_range(batch.max_addresses, "batch.max_addresses", 1, MAX_BATCH_ADDRESSES)


def _check_webhook(config: ProviderConfig) -> Iterator[Violation]:
    if config.webhook is not None:
        yield from webhook_rules.check(config.webhook)
        yield from webhook_rules.check_correlation(config.webhook, config.answer)


def _check_sender(config: ProviderConfig) -> Iterator[Violation]:
    fault = line_fault(config.default_from_name)
    if fault is not None:
        yield Violation(field="default_from_name", reason="INVALID_TEXT", message=fault)
    if config.default_from_address:
        yield from check_address(config.default_from_address, "default_from_address")
    if config.default_reply_to_address:
        yield from check_address(config.default_reply_to_address, "default_reply_to_address")


def _check_preference_center(center: PreferenceCenter) -> Iterator[Violation]:
    field = "preference_center.custom_url"
    match center.kind:
        case PreferenceCenterKind.SYSTEM:
            message = (
                "cannot be SYSTEM yet: the page comes with a later version; "
                "use CUSTOM_URL with a page of your own, or NONE"
            )
            yield Violation(
                field="preference_center.kind", reason="NOT_AVAILABLE_YET", message=message
            )
        case PreferenceCenterKind.CUSTOM_URL if not center.custom_url:
            message = "is missing; give the URL of your page, or choose NONE"
            yield Violation(field=field, reason="REQUIRED", message=message)
        case PreferenceCenterKind.CUSTOM_URL:
            yield from _check_length(center.custom_url, field, MAX_URL_CHARACTERS)
            for fault in http_rules.url_faults(center.custom_url, fragment=True):
                yield Violation(field=field, reason="INVALID_URL", message=fault)
    if center.custom_url and center.kind is not PreferenceCenterKind.CUSTOM_URL:
        message = f"has no meaning with {center.kind}; remove it, or choose CUSTOM_URL"
        yield Violation(field=field, reason="NOT_WITH_THIS_KIND", message=message)


def _check_limits(limits: Limits) -> Iterator[Violation]:
    rates = (
        ("max_requests_per_second", limits.max_requests_per_second, MAX_REQUESTS_PER_SECOND),
        ("max_messages_per_second", limits.max_messages_per_second, MAX_MESSAGES_PER_SECOND),
    )
    for name, rate, most in rates:
        # Written so that NaN is outside of every range.
        if rate is not None and not 0 < rate <= most:
            message = (
                f"must be more than 0 and at most {most:,.0f} a second; leave it out for no limit"
            )
            yield Violation(field=f"limits.{name}", reason="OUT_OF_RANGE", message=message)
    timeout, deadline = limits.timeout_seconds, limits.retry_deadline_seconds
    yield from _check_range(limits.max_in_flight, "limits.max_in_flight", 1, MAX_IN_FLIGHT)
    yield from _check_range(
        timeout, "limits.timeout", MIN_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS, " seconds"
    )
    yield from _check_range(limits.max_attempts, "limits.max_attempts", 1, MAX_ATTEMPTS)
    yield from _check_range(
        deadline, "limits.retry_deadline", 0, MAX_RETRY_DEADLINE_SECONDS, " seconds"
    )


def _check_range(
    value: float, field: str, least: float, most: float, unit: str = ""
) -> Iterator[Violation]:
    if not least <= value <= most:
        message = f"is {value:g}{unit} and must be {least:,g} to {most:,.0f}{unit}"
        yield Violation(field=field, reason="OUT_OF_RANGE", message=message)


def _check_length(text: str, field: str, most: int) -> Iterator[Violation]:
    if len(text) > most:
        message = f"is longer than {most:,} characters; shorten it"
        yield Violation(field=field, reason="TOO_LONG", message=message)
