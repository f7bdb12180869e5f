"""Callbacks that are simulated and read again, between the API and the use cases."""

from math import inf
from urllib.parse import parse_qsl

from domain.callback import MAX_BODY_BYTES
from domain.errors import InvalidRequest, Violation
from domain.events import EVENTS_OF_CALLBACK
from domain.webhook_body import first_of_each
from domain.webhook_request import WebhookRequest
from entrypoints.convert.event import EVENT_TYPES
from entrypoints.convert.times import from_timestamp, timestamp_fault, to_timestamp
from espalier.v1 import event_pb2
from services.simulate_callback import Simulated, Simulation

_METHODS = ("GET", "POST")


def read_simulated_request(message: event_pb2.SimulateCallbackRequest) -> WebhookRequest:
    """Raises InvalidRequest."""
    method = message.method.upper() or "POST"
    faults = []
    if method not in _METHODS:
        text = f"is {message.method!r}; callbacks are sent with GET or POST"
        faults.append(Violation(field="method", reason="UNKNOWN_VALUE", message=text))
    if len(message.body) > MAX_BODY_BYTES:
        text = f"has {len(message.body):,} bytes; {MAX_BODY_BYTES:,} are taken in"
        faults.append(Violation(field="body", reason="TOO_LONG", message=text))
    if faults:
        raise InvalidRequest(faults)
    return WebhookRequest(
        method=method,
        url="",
        headers={name.lower(): value for name, value in message.headers.items()},
        query=first_of_each(parse_qsl(message.query, keep_blank_values=True)),
        body=message.body,
    )


def to_simulation(simulation: Simulation) -> event_pb2.SimulateCallbackResponse:
    return event_pb2.SimulateCallbackResponse(
        events=map(_simulated, simulation.events),
        skipped_events=simulation.skipped,
        request_skipped=simulation.request_skipped,
        status=simulation.status,
        problem=simulation.problem,
    )


def read_replayed_times(message: event_pb2.ReplayCallbacksRequest) -> tuple[float, float]:
    """From when on, and before when. Raises InvalidRequest."""
    faults = [
        fault
        for time, field in ((message.start_time, "start_time"), (message.end_time, "end_time"))
        if (fault := timestamp_fault(time, field)) is not None
    ]
    if faults:
        raise InvalidRequest(faults)
    return (
        from_timestamp(message.start_time) if message.HasField("start_time") else 0.0,
        from_timestamp(message.end_time) if message.HasField("end_time") else inf,
    )


def _simulated(simulated: Simulated) -> event_pb2.SimulatedEvent:
    event = simulated.event
    return event_pb2.SimulatedEvent(
        esp_type=event.esp_type,
        callback_type=event.type.value,
        event_types=[EVENT_TYPES.to_proto[kind] for kind in EVENTS_OF_CALLBACK[event.type]],
        email=event.email,
        message_id=simulated.message_id,
        esp_message_id=event.esp_message_id,
        occur_time=to_timestamp(simulated.occurred_at),
        description=event.description,
        reason=simulated.reason,
    )
