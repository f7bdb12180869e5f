"""A campaign: one content for many recipients, through one provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

JsonValue: TypeAlias = (
    "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)


class DeliveryGuarantee(StrEnum):
    """What becomes of a request whose answer was lost: never sent again, or always."""

    AT_MOST_ONCE = "AT_MOST_ONCE"
    AT_LEAST_ONCE = "AT_LEAST_ONCE"


class CampaignState(StrEnum):
    SCHEDULED = "SCHEDULED"
    SENDING = "SENDING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"

    @property
    def ended(self) -> bool:
        return self in _ENDED


_ENDED = frozenset({CampaignState.COMPLETED, CampaignState.CANCELLED, CampaignState.FAILED})


class Recipient(NamedTuple):
    """One person of a campaign: a tuple, because a million of them are made on the way out.

    `replacements` are the person's own custom values. `name` also serves `$$name` where
    `replacements` has no such key.
    """

    email: str
    name: str = ""
    replacements: Mapping[str, JsonValue] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is sent, the same for every recipient but for the custom placeholders that it holds."""

    subject: str = ""
    from_name: str = ""
    from_address: str = ""
    reply_to: str = ""
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    html: str = field(default="", repr=False)
    plaintext: str = field(default="", repr=False)
    amp_html: str = field(default="", repr=False)
    replacements: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSpec:
    """What a caller asks for, less the recipients. Times are epoch seconds.

    Nothing is sent before `send_at`, and what is not sent by `send_before` is dropped and counted.
    """

    request_id: str
    provider: str
    content: Content
    name: str = ""
    guarantee: DeliveryGuarantee = DeliveryGuarantee.AT_MOST_ONCE
    send_at: float | None = None
    send_before: float | None = None
