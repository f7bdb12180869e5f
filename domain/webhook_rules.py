"""The rules for a webhook mapping, so that none is stored that could never map anything."""

import math
from collections.abc import Iterator, Sequence

from domain.answer_mapping import AnswerMapping
from domain.errors import Violation
from domain.expressions import BadExpression, Expression, compile_expression
from domain.signature_rules import signature_faults
from domain.webhook import expressions_of
from domain.webhook_mapping import TypeRule, WebhookAnswers, WebhookFormat, WebhookMapping

# Each is tried for every type that was not seen before; the largest ESP's table has forty.
MAX_TYPES = 200
MAX_PATTERN = 256
MAX_SIGNATURES = 10
MAX_KEEP_RAW_SECONDS = 90 * 86_400.0

_OF_REQUEST = frozenset({"method", "headers", "query", "form", "body"})
_OF_EVENT = _OF_REQUEST | {"event", "recipient"}
_WITHOUT_BODY = {WebhookFormat.FORM: "form", WebhookFormat.QUERY: "query"}


def check(mapping: WebhookMapping) -> Iterator[Violation]:
    """The faults of a mapping, with fields that begin with `webhook.`"""
    for name, text in expressions_of(mapping):
        yield from _expression(f"webhook.{name}", name, text, mapping)
    yield from _required(mapping)
    yield from _types(mapping.types)
    yield from _answers(mapping.answers)
    yield from _keep_raw(mapping.keep_raw_seconds)
    if len(mapping.signatures) > MAX_SIGNATURES:
        message = f"are {len(mapping.signatures)}; {MAX_SIGNATURES} are allowed, all must hold"
        yield Violation(field="webhook.signatures", reason="TOO_MANY", message=message)
    for index, signature in enumerate(mapping.signatures[:MAX_SIGNATURES]):
        for fault in signature_faults(signature):
            field = f"webhook.signatures[{index}].{fault.field}"
            yield Violation(field=field, reason=fault.reason, message=fault.message)


def check_correlation(webhook: WebhookMapping, answer: AnswerMapping) -> Iterator[Violation]:
    """Faults of a webhook mapping beside what the same provider says of its ESP's answers."""
    items = answer.items
    if webhook.meta or not webhook.esp_message_id or answer.message_id or (items and items.id):
        return
    message = (
        "cannot name a message: no answer's id is stored; say where the ESP's id stands in its"
        " answer (answer.message_id, or answer.items.id), or give meta"
    )
    yield Violation(field="webhook.esp_message_id", reason="NO_CORRELATION", message=message)


def _required(mapping: WebhookMapping) -> Iterator[Violation]:
    if not mapping.events:
        message = "is missing; say where the events stand (`body` where the body is the event)"
        yield Violation(field="webhook.events", reason="REQUIRED", message=message)
    if not mapping.type:
        message = "is missing, so that every event would be UNKNOWN; say where the ESP's type is"
        yield Violation(field="webhook.type", reason="REQUIRED", message=message)
    if not mapping.types:
        message = "are missing, so that every event would be UNKNOWN; give a pattern and a type"
        yield Violation(field="webhook.types", reason="REQUIRED", message=message)
    if not mapping.meta and not mapping.esp_message_id:
        message = (
            "is missing, and so is esp_message_id: no event would belong to a message; say where"
            " the ESP returns $$MessageID, or its own id of the message"
        )
        yield Violation(field="webhook.meta", reason="NO_CORRELATION", message=message)


def _expression(field: str, name: str, text: str, mapping: WebhookMapping) -> Iterator[Violation]:
    try:
        expression = compile_expression(text)
    except BadExpression as error:
        yield Violation(field=field, reason="INVALID_EXPRESSION", message=str(error))
        return
    known = _OF_REQUEST if name in ("events", "skip_request") else _OF_EVENT
    unknown = sorted(expression.roots - known)
    if unknown:
        message = f"looks at {unknown[0]}, which is never there; begin with {_or(sorted(known))}"
        yield Violation(field=field, reason="UNKNOWN_SCOPE", message=message)
    yield from _never_found(field, expression, mapping.format)


def _never_found(field: str, expression: Expression, format: WebhookFormat) -> Iterator[Violation]:
    instead = _WITHOUT_BODY.get(format)
    if instead is not None and "body" in expression.roots:
        message = f"looks at body, which is null with format {format}; look at {instead}"
        yield Violation(field=field, reason="NEVER_FOUND", message=message)
    if format is not WebhookFormat.FORM and "form" in expression.roots:
        message = f"looks at form, which is empty with format {format}; set format to FORM"
        yield Violation(field=field, reason="NEVER_FOUND", message=message)
    for path in expression.paths:
        if path[0] == "headers" and path[1] != path[1].lower():
            message = f'looks at headers."{path[1]}"; their names are in lower case here'
            yield Violation(field=field, reason="NEVER_FOUND", message=message)


def _types(rules: Sequence[TypeRule]) -> Iterator[Violation]:
    if len(rules) > MAX_TYPES:
        message = f"are {len(rules)}; {MAX_TYPES} are allowed; let a pattern with * stand for more"
        yield Violation(field="webhook.types", reason="TOO_MANY", message=message)
    seen: dict[str, int] = {}
    for index, rule in enumerate(rules[:MAX_TYPES]):
        field = f"webhook.types[{index}].pattern"
        if len(rule.pattern) > MAX_PATTERN:
            message = f"has {len(rule.pattern)} characters; {MAX_PATTERN} are allowed"
            yield Violation(field=field, reason="TOO_LONG", message=message)
        earlier = seen.get("*", seen.get(rule.pattern))
        if earlier is not None:
            message = f"is never reached, since types[{earlier}] fits all of it; put it before that"
            yield Violation(field=field, reason="UNREACHABLE", message=message)
        seen.setdefault(rule.pattern, index)


def _answers(answers: WebhookAnswers) -> Iterator[Violation]:
    yield from _status("success", answers.success, range(200, 300), "200 to 299")
    yield from _status("bad_signature", answers.bad_signature, range(400, 500), "400 to 499")
    # 2xx as well: an ESP that sends what cannot be read again and again can be told to stop.
    readable = (*range(200, 300), *range(400, 600))
    yield from _status("malformed", answers.malformed, readable, "200 to 299 or 400 to 599")
    yield from _status("overloaded", answers.overloaded, range(400, 600), "400 to 599")


def _status(name: str, status: int, allowed: Sequence[int], told: str) -> Iterator[Violation]:
    if status not in allowed:
        message = f"is {status}; give a status from {told}"
        yield Violation(field=f"webhook.answers.{name}", reason="OUT_OF_RANGE", message=message)


def _keep_raw(seconds: float) -> Iterator[Violation]:
    if math.isnan(seconds) or not 0 <= seconds <= MAX_KEEP_RAW_SECONDS:
        message = "must be 0 (requests are not kept) to 90 days"
        yield Violation(field="webhook.keep_raw", reason="OUT_OF_RANGE", message=message)


def _or(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
