"""A suppression: an address that gets no more mail until somebody takes it off the list."""

from dataclasses import dataclass
from enum import StrEnum


class SuppressionReason(StrEnum):
    HARD_BOUNCE = "HARD_BOUNCE"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    COMPLAINT = "COMPLAINT"
    MANUAL = "MANUAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One suppressed address. `key` is `address_key(email)`: there is one suppression per key.

    `detail` is what the ESP or the operator said. The event, the message and the provider that it
    came from are None or empty where a person added it by hand. `created_at` is epoch seconds.
    """

    email: str
    key: str
    reason: SuppressionReason
    detail: str = ""
    event_position: int | None = None
    campaign_number: int | None = None
    ordinal: int | None = None
    provider: str = ""
    created_at: float
