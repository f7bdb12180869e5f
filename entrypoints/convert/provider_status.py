"""What a provider is doing now, as an answer shows it."""

from domain.circuit import CircuitState
from domain.provider import Provider
from domain.standstill import is_paused
from entrypoints.convert.enums import pair
from entrypoints.convert.times import to_timestamp
from espalier.v1 import provider_pb2

CIRCUIT_STATES = pair(CircuitState, provider_pb2.CircuitState.Value, "CIRCUIT_STATE")


def to_status(provider: Provider, *, now: float) -> provider_pb2.ProviderStatus:
    """As of `now` (epoch seconds): a pause that is over is not shown."""
    circuit = provider.circuit
    state = circuit.state(now)
    status = provider_pb2.ProviderStatus(
        circuit_state=CIRCUIT_STATES.to_proto[state],
        consecutive_failures=circuit.failures,
        last_failure=circuit.reason,
    )
    if state is CircuitState.OPEN:
        status.circuit_open_until.CopyFrom(to_timestamp(circuit.open_until))
    if provider.paused_until is not None and is_paused(provider.paused_until, now=now):
        status.paused_until.CopyFrom(to_timestamp(provider.paused_until))
        status.pause_reason = provider.pause_reason
    return status
