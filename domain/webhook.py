"""From a request as an ESP sends it to events, by the webhook mapping of its provider.

A body that cannot be read at all raises BadCallback. Nothing else does: a type that the mapping
does not know is UNKNOWN, what is not found is empty, and an event that then names no message of
ours is kept as unprocessed by whoever stores it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import orjson

from domain.callback import Attributed, CallbackEvent, CallbackType, occurred_at
from domain.expression_steps import MAX_STEPS, Evaluation, OutOfSteps
from domain.expressions import BadExpression, Expression, compile_expression, is_false
from domain.message_id import MessageRef
from domain.webhook_body import MAX_LINES, bad_body, read_body
from domain.webhook_mapping import WebhookMapping
from domain.webhook_request import WebhookRequest
from domain.webhook_values import MAX_TEXT, TypeTable, text_of, time_of

NO_MESSAGE = "neither meta nor esp_message_id names a message that was sent from here"
T = TypeVar("T")
_NOBODY_NAMED = (None,)
# Of one event that is kept as unprocessed; a whole request is kept besides (`keep_raw`).
_MOST_KEPT = 16_384


class WebhookEvent(NamedTuple):
    """One event, for one person. `esp_type` is what `type` found, `type` what it is to us.

    `meta` and `esp_message_id` are empty where the mapping found none. `digest` is as in
    `Attributed`. `raw` is its JSON, empty where that is too long to keep.
    """

    type: CallbackType
    esp_type: str
    email: str
    meta: str
    esp_message_id: str
    timestamp: float | None
    description: str
    digest: int
    raw: bytes

    def of(self, message: MessageRef, *, received_at: float) -> Attributed:
        happened = occurred_at(self.timestamp, received_at=received_at)
        return Attributed(self.plain(), self.type, message, happened, self.digest)

    def plain(self) -> CallbackEvent:
        description = self.description or None
        return CallbackEvent(
            self.esp_type, self.email, self.meta, description, self.timestamp, "", self._kept()
        )

    def _kept(self) -> dict[str, Any]:
        """What is stored of an event that is unprocessed, also where it is no object."""
        said = {"type": self.esp_type, "email": self.email, "meta": self.meta}
        event = orjson.Fragment(self.raw) if self.raw else None
        return {**said, "esp_message_id": self.esp_message_id, "event": event}


class WebhookReading(NamedTuple):
    """`skipped` counts the events that `skip` passed over."""

    events: Sequence[WebhookEvent]
    skipped: int = 0
    request_skipped: bool = False


class Webhook:
    """A mapping that is ready to read requests."""

    def __init__(self, mapping: WebhookMapping) -> None:
        self.mapping = mapping
        self._events = _compiled(mapping.events)
        self._skip_request = _compiled(mapping.skip_request)
        self._skip = _compiled(mapping.skip)
        self._fan_out = _compiled(mapping.fan_out)
        self._type = _compiled(mapping.type)
        self._email = _compiled(mapping.email)
        self._meta = _compiled(mapping.meta)
        self._esp_message_id = _compiled(mapping.esp_message_id)
        self._timestamp = _compiled(mapping.timestamp)
        self._description = _compiled(mapping.description)
        self._link = _compiled(mapping.link)
        self._dedupe = _compiled(mapping.dedupe)
        self._types = TypeTable(mapping.types)

    def read(self, request: WebhookRequest) -> WebhookReading:
        """Raises BadCallback."""
        body = read_body(request, self.mapping.format)
        scope = {
            "method": request.method,
            "headers": request.headers,
            "query": request.query,
            "form": body.form,
            "body": body.json,
        }
        evaluation = Evaluation()
        try:
            reading = self._read(scope, evaluation)
        except OutOfSteps:
            pass
        else:
            if not evaluation.is_over:
                return reading
        raise bad_body(
            f"takes more than {MAX_STEPS} steps to read by the provider's webhook mapping;"
            " send fewer events at a time, or have the mapping look at less"
        )

    def _read(self, scope: dict[str, Any], evaluation: Evaluation) -> WebhookReading:
        if _holds(self._skip_request, scope, evaluation):
            return WebhookReading((), request_skipped=True)
        found = _listed(_found(self._events, scope, evaluation))
        events: list[WebhookEvent] = []
        skipped = 0
        for event in _few(found):
            # Of one event, until the next: a scope is looked at and not kept.
            scope["event"], scope["recipient"] = event, None
            if _holds(self._skip, scope, evaluation):
                skipped += 1
            else:
                events += self._events_of(scope, evaluation)
                _few(events)
        return WebhookReading(events, skipped)

    def _events_of(self, scope: dict[str, Any], evaluation: Evaluation) -> Iterator[WebhookEvent]:
        said = _json_of(scope["event"])
        for recipient in _few(self._recipients(scope, evaluation)):
            scope["recipient"] = recipient
            # Each may be kept with all that was said.
            evaluation.spend_bytes(len(said))
            yield self._event(scope, said, evaluation)

    def _recipients(self, scope: dict[str, Any], evaluation: Evaluation) -> Sequence[Any]:
        if self._fan_out is None:
            return _NOBODY_NAMED
        return _listed(_found(self._fan_out, scope, evaluation)) or _NOBODY_NAMED

    def _event(self, scope: dict[str, Any], said: bytes, evaluation: Evaluation) -> WebhookEvent:
        esp_type = text_of(_found(self._type, scope, evaluation))
        kind = self._types.type_of(esp_type)
        email = text_of(_found(self._email, scope, evaluation))
        time = time_of(_found(self._timestamp, scope, evaluation), self.mapping.timestamp_unit)
        description = _written(_found(self._description, scope, evaluation), evaluation)
        if kind is CallbackType.CLICKED:
            # What a click has to say is where it led.
            link = _written(_found(self._link, scope, evaluation), evaluation)
            description = link or description
        key = _written(_found(self._dedupe, scope, evaluation), evaluation)
        recipient = "" if key else _written(scope["recipient"], evaluation)
        otherwise = () if said else (esp_type, email, time, description)
        return WebhookEvent(
            type=kind,
            esp_type=esp_type,
            email=email,
            meta=text_of(_found(self._meta, scope, evaluation)),
            esp_message_id=text_of(_found(self._esp_message_id, scope, evaluation)),
            timestamp=time,
            description=description,
            digest=_digest((kind, key or said.decode(), recipient, otherwise)),
            raw=said if len(said) <= _MOST_KEPT else b"",
        )


def is_version_2(body: bytes) -> bool:
    """Whether a body is of the service's own format, which every callback URL takes."""
    if b'"version"' not in body or b'"v2"' not in body:
        return False
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return (
        isinstance(document, dict)
        and document.get("version") == "v2"
        and isinstance(document.get("events"), dict)
    )


def expressions_of(mapping: WebhookMapping) -> Iterator[tuple[str, str]]:
    """The expressions that are set, each with the name of its field."""
    for name in _EXPRESSIONS:
        text = getattr(mapping, name)
        if text:
            yield name, text


_EXPRESSIONS = (
    *("events", "skip_request", "skip", "fan_out", "type", "email", "meta", "esp_message_id"),
    *("timestamp", "description", "link", "dedupe"),
)


def _compiled(text: str) -> Expression | None:
    """None also for what is no expression, which the rules refuse: no request fails by it."""
    try:
        return compile_expression(text) if text else None
    except BadExpression:
        return None


def _found(expression: Expression | None, scope: Any, evaluation: Evaluation) -> Any:
    return None if expression is None else expression.search(scope, evaluation)


def _holds(expression: Expression | None, scope: Any, evaluation: Evaluation) -> bool:
    return expression is not None and not is_false(expression.search(scope, evaluation))


def _listed(found: Any) -> Sequence[Any]:
    """A list as it is, null as none, anything else as a list of it."""
    if isinstance(found, list):
        return found
    return () if found is None else (found,)


def _few(items: Sequence[T]) -> Sequence[T]:
    if len(items) > MAX_LINES:
        raise bad_body(f"holds more than {MAX_LINES} events; send fewer at a time")
    return items


def _written(value: Any, evaluation: Evaluation) -> str:
    """As text, lists and objects as JSON."""
    if isinstance(value, dict | list) and value:
        evaluation.look_through([value])
        value = _json_of(value).decode()
    return text_of(value, MAX_TEXT)


def _digest(said: tuple[Any, ...]) -> int:
    """Our type counts too: what a corrected mapping sees in another way is another event."""
    digest = hashlib.blake2b(_json_of(said) or repr(said).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _json_of(value: Any) -> bytes:
    """Empty of what cannot be written as JSON: it is too deep, or holds half a character."""
    try:
        return orjson.dumps(value)
    except (TypeError, UnicodeError):
        return b""
