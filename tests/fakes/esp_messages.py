"""What ESPs call our messages, in memory."""

from collections.abc import Sequence

from domain.address import address_key
from domain.message_id import MessageRef
from services.ports import EspMessage
from tests.fakes.store import Store


class FakeEspMessages:
    """The port EspMessages in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, provider_id: int, messages: Sequence[EspMessage]) -> None:
        async with self._store.transaction():
            for each in messages:
                self._store.call(provider_id, each)

    async def find(self, provider_id: int, esp_message_id: str, email: str) -> MessageRef | None:
        async with self._store.transaction():
            found = [
                each
                for of, each in self._store.esp_messages
                if (of, each.esp_message_id) == (provider_id, esp_message_id)
            ]
        if len(found) > 1:
            found = [each for each in found if address_key(each.email) == address_key(email)]
        return found[0].message if len(found) == 1 else None

    async def id_of(self, message: MessageRef) -> str:
        async with self._store.transaction():
            ids = [e.esp_message_id for _, e in self._store.esp_messages if e.message == message]
        return ids[-1] if ids else ""
