"""What became of the messages of one request whose ESP spoke of each by itself."""

from dataclasses import dataclass, field

from domain.chunk import OpenRequest
from domain.message import MessageState
from services.ports import EspMessage

# Reasons of messages, for programs: new ones may come, these stay.
ANSWER_LOST = "ANSWER_LOST"
ANSWER_UNREADABLE = "ANSWER_UNREADABLE"
ESP_REFUSED = "ESP_REFUSED"


@dataclass(slots=True, kw_only=True)
class Shares:
    """The ordinals of the messages that the ESP took, and of those that have come to another end.

    `settled` is keyed by their state, its reason and its detail. `later` carries those that are
    sent again. `health` is what the answer says of the ESP, as `Step.health` has it.
    """

    health: str
    esp_messages: tuple[EspMessage, ...] = ()
    accepted: list[int] = field(default_factory=list)
    settled: dict[tuple[MessageState, str, str], list[int]] = field(default_factory=dict)
    later: OpenRequest | None = None

    def settle(self, ordinal: int, state: MessageState, reason: str, detail: str) -> None:
        self.settled.setdefault((state, reason, detail), []).append(ordinal)
