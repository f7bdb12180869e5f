"""A provider: how one ESP is spoken to."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from domain.answer_mapping import AnswerMapping
from domain.circuit import CLOSED, Circuit
from domain.webhook_mapping import WebhookMapping


class RequestType(StrEnum):
    GET = "GET"
    POST = "POST"


class PreferenceCenterKind(StrEnum):
    """Where a recipient manages what they get: our page, the customer's page, or nowhere."""

    SYSTEM = "SYSTEM"
    CUSTOM_URL = "CUSTOM_URL"
    NONE = "NONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuthentication:
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSignature:
    """AWS Signature Version 4 of every request, made when it is sent."""

    region: str
    service: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What `$$secret.NAME` stands for, the same for all messages and never shown again."""

    name: str
    value: str = field(repr=False)


class BodyEncoding(StrEnum):
    """What the template's JSON is turned into; with the others it is one object of fields."""

    JSON = "JSON"
    FORM = "FORM"
    MULTIPART = "MULTIPART"


class EmptyValues(StrEnum):
    """What becomes of a value in the body that is a placeholder without content."""

    BLANK = "BLANK"
    OMIT = "OMIT"
    """It is left out; with it every object in which all placeholders came out empty, whatever
    else stands there, and every array in which nothing is left. A message is never left out."""
    NULL = "NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header of every request; the value of a `secret` one is never shown again."""

    name: str
    value: str = field(repr=False)
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryParameter:
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How many messages share a request: at most `max_messages`, and `max_bytes` of body if set.

    `max_addresses` counts recipients, cc and bcc of all of them. With `group` placeholders outside
    of the messages are replaced as well, and only messages with equal values there share a request.
    """

    max_messages: int
    max_bytes: int | None = None
    max_addresses: int | None = None
    group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceCenter:
    kind: PreferenceCenterKind = PreferenceCenterKind.NONE
    custom_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the ESP allows, over all workers together; None means no limit of ours.

    `timeout_seconds` covers one request from connecting to the last byte of the answer.
    `max_attempts` counts the first one. `retry_deadline_seconds` bounds how long after its first
    attempt a message may still be retried.
    """

    max_requests_per_second: float | None = None
    max_messages_per_second: float | None = None
    # Enough to hide 100 ms of round trip at 600 requests/s, few enough for any ESP's front door.
    max_in_flight: int = 64
    timeout_seconds: float = 30.0
    max_attempts: int = 8
    retry_deadline_seconds: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """The header that repeats when a request is sent again; None where the ESP wants none."""

    header_name: str | None = "Idempotency-Key"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """What an administrator writes. Valid only once `provider_rules.check` found no violation."""

    nickname: str
    request_type: RequestType
    http_endpoint: str
    basic: BasicAuthentication | None = None
    headers: tuple[Header, ...] = ()
    query_parameters: tuple[QueryParameter, ...] = ()
    parameters: str = ""
    batch: Batch | None = None
    default_from_name: str = ""
    default_from_address: str = ""
    default_reply_to_address: str = ""
    preference_center: PreferenceCenter = PreferenceCenter()
    limits: Limits = Limits()
    idempotency_key: IdempotencyKey = IdempotencyKey()
    aws_signature: AwsSignature | None = None
    secrets: tuple[Secret, ...] = ()
    body_encoding: BodyEncoding = BodyEncoding.JSON
    empty_values: EmptyValues = EmptyValues.BLANK
    # The ESP has subject and HTML already, and the template need not hold them.
    stored_template: bool = False
    answer: AnswerMapping = AnswerMapping()
    webhook: WebhookMapping | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A stored provider. `version` counts its configurations; `etag` names the present one.

    Times are epoch seconds. `paused_until` is set while the ESP asked for patience (Retry-After).
    """

    provider_id: int
    version: int
    config: ProviderConfig
    callback_token: str = field(repr=False)
    created_at: float
    updated_at: float
    paused_until: float | None = None
    pause_reason: str = ""
    circuit: Circuit = CLOSED

    @property
    def etag(self) -> str:
        return f"{self.provider_id}-{self.version}"


def nickname_key(nickname: str) -> str:
    """Nicknames are unique without regard to case; they are ASCII, so lower() is enough."""
    return nickname.lower()


def with_secrets_of(present: ProviderConfig, config: ProviderConfig) -> ProviderConfig:
    """An earlier configuration with the credentials and secrets that requests have at present.

    A secret that is gone stays what it was. Region and service of an AWS signature are those of the
    earlier endpoint.
    """
    headers = {header.name.lower(): header for header in present.headers if header.secret}
    secrets = {secret.name: secret for secret in present.secrets}
    return replace(
        config,
        basic=config.basic and present.basic,
        aws_signature=_with_keys_of(present.aws_signature, config.aws_signature),
        headers=tuple(
            headers.get(header.name.lower(), header) if header.secret else header
            for header in config.headers
        ),
        secrets=tuple(secrets.get(secret.name, secret) for secret in config.secrets),
    )


def _with_keys_of(
    present: AwsSignature | None, earlier: AwsSignature | None
) -> AwsSignature | None:
    if present is None or earlier is None:
        return None
    return replace(present, region=earlier.region, service=earlier.service)
