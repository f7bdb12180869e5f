"""How an ESP's webhook is read: the configuration of it, to and from the API."""

from domain.callback import CallbackType
from domain.webhook_mapping import (
    TimestampUnit,
    TypeRule,
    WebhookAnswers,
    WebhookFormat,
    WebhookMapping,
)
from entrypoints.convert.enums import pair
from entrypoints.convert.provider_signature import read_signature, to_signature
from entrypoints.convert.reading import Reading
from entrypoints.convert.times import to_duration
from espalier.v1 import provider_pb2

FORMATS = pair(WebhookFormat, provider_pb2.WebhookFormat.Value, "WEBHOOK_FORMAT")
TYPES = pair(CallbackType, provider_pb2.WebhookType.Value, "WEBHOOK_TYPE")
TIMESTAMP_UNITS = pair(TimestampUnit, provider_pb2.TimestampUnit.Value, "TIMESTAMP_UNIT")
_DEFAULT = WebhookMapping()


def read_webhook(message: provider_pb2.WebhookMapping, reading: Reading) -> WebhookMapping:
    """The domain's defaults stand where the message has no value."""
    return WebhookMapping(
        format=reading.choice(FORMATS, message.format, "webhook.format", default=_DEFAULT.format),
        events=message.events or _DEFAULT.events,
        skip_request=message.skip_request,
        skip=message.skip,
        fan_out=message.fan_out,
        type=message.type,
        types=tuple(
            _type_rule(rule, f"webhook.types[{i}]", reading) for i, rule in enumerate(message.types)
        ),
        email=message.email,
        meta=message.meta,
        esp_message_id=message.esp_message_id,
        timestamp=message.timestamp,
        timestamp_unit=reading.choice(
            TIMESTAMP_UNITS,
            message.timestamp_unit,
            "webhook.timestamp_unit",
            default=_DEFAULT.timestamp_unit,
        ),
        description=message.description,
        link=message.link,
        dedupe=message.dedupe,
        signatures=tuple(
            read_signature(signature, f"webhook.signatures[{i}]", reading)
            for i, signature in enumerate(message.signatures)
        ),
        answers=_answers(message.answers),
        keep_raw_seconds=_keep_raw_seconds(message, reading),
    )


def to_webhook(mapping: WebhookMapping | None) -> provider_pb2.WebhookMapping | None:
    """Without the secrets of its signatures."""
    if mapping is None:
        return None
    return provider_pb2.WebhookMapping(
        format=FORMATS.to_proto[mapping.format],
        events=mapping.events,
        skip_request=mapping.skip_request,
        skip=mapping.skip,
        fan_out=mapping.fan_out,
        type=mapping.type,
        types=[
            provider_pb2.TypeRule(pattern=rule.pattern, type=TYPES.to_proto[rule.type])
            for rule in mapping.types
        ],
        email=mapping.email,
        meta=mapping.meta,
        esp_message_id=mapping.esp_message_id,
        timestamp=mapping.timestamp,
        timestamp_unit=TIMESTAMP_UNITS.to_proto[mapping.timestamp_unit],
        description=mapping.description,
        link=mapping.link,
        dedupe=mapping.dedupe,
        signatures=[to_signature(signature) for signature in mapping.signatures],
        answers=_to_answers(mapping.answers),
        keep_raw=to_duration(mapping.keep_raw_seconds),
    )


def _type_rule(message: provider_pb2.TypeRule, field: str, reading: Reading) -> TypeRule:
    unknown = CallbackType.UNKNOWN
    kind = reading.chosen(TYPES, message.type, f"{field}.type", stand_in=unknown)
    return TypeRule(pattern=message.pattern, type=kind)


def _answers(message: provider_pb2.WebhookAnswers) -> WebhookAnswers:
    default = WebhookAnswers()
    return WebhookAnswers(
        success=message.success or default.success,
        bad_signature=message.bad_signature or default.bad_signature,
        malformed=message.malformed or default.malformed,
        overloaded=message.overloaded or default.overloaded,
    )


def _keep_raw_seconds(message: provider_pb2.WebhookMapping, reading: Reading) -> float:
    default = _DEFAULT.keep_raw_seconds
    if not message.HasField("keep_raw"):
        return default
    return reading.seconds(message.keep_raw, "webhook.keep_raw", default=default)


def _to_answers(answers: WebhookAnswers) -> provider_pb2.WebhookAnswers:
    return provider_pb2.WebhookAnswers(
        success=answers.success,
        bad_signature=answers.bad_signature,
        malformed=answers.malformed,
        overloaded=answers.overloaded,
    )
