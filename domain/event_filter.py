"""Which system events somebody wants to see."""

from dataclasses import dataclass

from domain.address import address_key
from domain.callback import CallbackType
from domain.events import EVENTS_OF_CALLBACK, EntryKind, SystemEvent, SystemEventType
from domain.message_id import MessageRef
from domain.provider import nickname_key

_OUTCOMES = {
    EntryKind.SENT: SystemEventType.NOTIFICATION_SENT,
    EntryKind.FAILED: SystemEventType.NOTIFICATION_FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Every condition that is set must hold; without any, all events pass.

    `provider` is a nickname key, `recipient` an address key, both "" for any. Times are epoch
    seconds of when an event was received: from `received_from` on, and before `received_before`.
    No `types` mean all. `test` chooses test emails, or all but them.
    """

    campaign_number: int | None = None
    message: MessageRef | None = None
    provider: str = ""
    recipient: str = ""
    types: frozenset[SystemEventType] = frozenset()
    received_from: float | None = None
    received_before: float | None = None
    test: bool | None = None

    @property
    def outcomes(self) -> frozenset[EntryKind]:
        """The kinds of entry, CALLBACK aside, that may hold an event of the wanted types."""
        return frozenset(kind for kind, of_it in _OUTCOMES.items() if self._is_wanted(of_it))

    @property
    def callbacks(self) -> frozenset[CallbackType]:
        """The types of callback that raise an event of the wanted types."""
        return frozenset(
            callback
            for callback, events in EVENTS_OF_CALLBACK.items()
            if any(map(self._is_wanted, events))
        )

    def passes(self, event: SystemEvent) -> bool:
        received = event.received_at
        return (
            (self.campaign_number is None or event.campaign_number == self.campaign_number)
            and (self.message is None or event.message == self.message)
            and self._is_wanted(event.type)
            and (self.test is None or event.test == self.test)
            and (self.received_from is None or received >= self.received_from)
            and (self.received_before is None or received < self.received_before)
            and (not self.provider or nickname_key(event.provider) == self.provider)
            and (not self.recipient or address_key(event.recipient) == self.recipient)
        )

    def _is_wanted(self, type: SystemEventType) -> bool:
        return not self.types or type in self.types


ALL = EventFilter()
