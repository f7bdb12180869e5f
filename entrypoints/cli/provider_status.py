"""What a provider is doing now, as a person reads it."""

from __future__ import annotations

from entrypoints.cli.output import enum_text, time_text
from espalier.v1 import provider_pb2
from espalier.v1.provider_pb2 import ProviderStatus


def status_facts(status: ProviderStatus) -> dict[str, str]:
    """Return names and values in the order in which they are shown; empty where nothing is said."""
    return {
        "Paused until": time_text(status, "paused_until"),
        "Paused because": status.pause_reason,
        "Circuit": _circuit(status),
        "Failures in a row": f"{status.consecutive_failures:,}" * bool(status.consecutive_failures),
        "Last failure": status.last_failure,
    }


def status_word(status: ProviderStatus) -> str:
    """Return what it does in a word or a few: `ready` where requests are made."""
    if status.circuit_state == provider_pb2.CIRCUIT_STATE_OPEN:
        return _circuit(status)
    if status.HasField("paused_until"):
        return f"paused until {time_text(status, 'paused_until')}"
    if status.circuit_state == provider_pb2.CIRCUIT_STATE_PROBING:
        return _circuit(status)
    return "ready"


def _circuit(status: ProviderStatus) -> str:
    if not status.circuit_state:
        return ""
    state = enum_text(status, "circuit_state")
    until = time_text(status, "circuit_open_until")
    return f"{state} until {until}" if until else state
