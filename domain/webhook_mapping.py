"""How an ESP's webhook is read and trusted: values only, as an administrator writes them.

Expressions are JMESPath. One of a whole request sees

    {"method": str, "headers": {lower-case name: text}, "query": {name: text}, "form": {name: text},
     "body": JSON, or null}

and one of a single event sees the same and `event` and `recipient` (an entry of `fan_out`, or
null). An empty expression is none.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from domain.callback import CallbackType


class WebhookFormat(StrEnum):
    """How the body is read; gzip is undone in all of them."""

    JSON = "JSON"
    """Whatever its content type says."""
    JSON_LINES = "JSON_LINES"
    """One JSON text a line; `body` is the list of them."""
    FORM = "FORM"
    """Form-urlencoded or multipart, into `form`; of a repeated field the first counts."""
    QUERY = "QUERY"
    """No body: all that is said stands in the query."""


class TimestampUnit(StrEnum):
    SECONDS = "SECONDS"
    """Since 1970, with or without a fraction, as a number or as text."""
    MILLISECONDS = "MILLISECONDS"
    ISO = "ISO"
    """ISO 8601 with any number of digits; without an offset it is UTC."""


class SignatureScheme(StrEnum):
    HMAC = "HMAC"
    STANDARD_WEBHOOKS = "STANDARD_WEBHOOKS"
    ECDSA = "ECDSA"
    RSA = "RSA"
    MANDRILL = "MANDRILL"
    UNISENDER = "UNISENDER"
    SNS = "SNS"
    BASIC = "BASIC"
    HEADER_TOKEN = "HEADER_TOKEN"  # noqa: S105 - the name of a scheme.


class Digest(StrEnum):
    SHA1 = "SHA1"
    SHA256 = "SHA256"
    SHA512 = "SHA512"


class SignatureEncoding(StrEnum):
    HEX = "HEX"
    BASE64 = "BASE64"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignaturePart:
    """A piece of what is signed: a literal, the raw body, or what an expression gives as text."""

    literal: str = ""
    body: bool = False
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """How a webhook proves who sent it. `secrets` all hold, so that they can be rotated.

    They are keys of HMAC, `whsec_` keys, public keys in PEM or base64, tokens, or `name:password`.
    `signature` (where it is empty, the `header`), `timestamp` and `nonce` are expressions of the
    request; `prefix` stands before the signature (`sha256=`), `separator` between several. Without
    parts in `signed` it is the text at `timestamp`, if there is one, and the body.

    A `timestamp` (epoch seconds, or milliseconds where the number is that great) older or newer
    than `tolerance_seconds` is not believed. With a timestamp or a `nonce` a request that was
    stored is known when it comes again, and another body with its nonce is not believed.
    `certificate_hosts` and `topics` are what SNS may name.
    """

    scheme: SignatureScheme
    secrets: tuple[str, ...] = field(default=(), repr=False)
    digest: Digest = Digest.SHA256
    encoding: SignatureEncoding = SignatureEncoding.HEX
    signed: tuple[SignaturePart, ...] = ()
    signature: str = ""
    prefix: str = ""
    separator: str = ""
    timestamp: str = ""
    nonce: str = ""
    tolerance_seconds: float = 300.0
    header: str = ""
    url: str = ""
    certificate_hosts: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRule:
    """The ESP's types that `pattern` fits (`*` and `?` as in file names) are `type` to us."""

    pattern: str
    type: CallbackType


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAnswers:
    """What an ESP is answered; which status stops its retries and which makes it retry differs."""

    success: int = 200
    bad_signature: int = 401
    malformed: int = 400
    overloaded: int = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMapping:
    """The events of a request, and what each of them says.

    `events` gives a list, or one event. `skip` passes over an event of which it is true, and
    `skip_request` over all of a request. `type` gives a text that the first fitting rule of `types`
    turns into our type; what none fits is UNKNOWN. `meta` is our own `$$MessageID`; where there is
    none `esp_message_id` (and `email`, where the ESP gives one id to several messages) names the
    message. `dedupe` says which events are one; without it they are if all they say is the same.
    """

    format: WebhookFormat = WebhookFormat.JSON
    events: str = "body"
    skip_request: str = ""
    skip: str = ""
    fan_out: str = ""
    type: str = ""
    types: tuple[TypeRule, ...] = ()
    email: str = ""
    meta: str = ""
    esp_message_id: str = ""
    timestamp: str = ""
    timestamp_unit: TimestampUnit = TimestampUnit.SECONDS
    description: str = ""
    link: str = ""
    dedupe: str = ""
    signatures: tuple[Signature, ...] = ()
    answers: WebhookAnswers = WebhookAnswers()
    keep_raw_seconds: float = 604_800.0
