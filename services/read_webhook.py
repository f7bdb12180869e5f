"""Reads an ESP's own webhooks, and finds the messages that they speak of."""

from collections.abc import Sequence
from typing import NamedTuple

from domain.callback import Attributed, Unprocessed
from domain.message_id import MessageIds, MessageKind, MessageRef
from domain.provider import Provider
from domain.webhook import NO_MESSAGE, Webhook, WebhookEvent, WebhookReading
from domain.webhook_request import WebhookRequest
from services.ports import EspMessages

# Providers whose mappings are ready; then they are made ready anew.
_REMEMBERED = 1_000


class Found(NamedTuple):
    """What the events of a reading are, in their order but for this division."""

    ours: Sequence[Attributed]
    unprocessed: Sequence[Unprocessed]


class ReadWebhook:
    """Keeps the mappings of providers ready: making one ready takes as long as many events."""

    def __init__(self, message_ids: MessageIds, esp_messages: EspMessages) -> None:
        self._read_meta = message_ids.read
        self._esp_messages = esp_messages
        self._ready: dict[tuple[int, int], Webhook] = {}

    def __call__(self, provider: Provider, request: WebhookRequest) -> WebhookReading:
        """Raises BadCallback. The provider has a mapping."""
        return self._webhook(provider).read(request)

    async def find(
        self, provider: Provider, events: Sequence[WebhookEvent], *, received_at: float
    ) -> Found:
        ours: list[Attributed] = []
        unprocessed: list[Unprocessed] = []
        for event in events:
            message = await self.message(provider, event)
            if message is None:
                unprocessed.append(Unprocessed(event.plain(), NO_MESSAGE))
            else:
                ours.append(event.of(message, received_at=received_at))
        return Found(ours, unprocessed)

    async def message(self, provider: Provider, event: WebhookEvent) -> MessageRef | None:
        """By our own id, else by the ESP's; whether it is this provider's is not looked at."""
        if event.meta:
            message = self._read_meta(event.meta)
            if message is not None and message.kind is not MessageKind.PREVIEW:
                return message
        if not event.esp_message_id:
            return None
        return await self._esp_messages.find(
            provider.provider_id, event.esp_message_id, event.email
        )

    def _webhook(self, provider: Provider) -> Webhook:
        key = (provider.provider_id, provider.version)
        webhook = self._ready.get(key)
        if webhook is None:
            mapping = provider.config.webhook
            if mapping is None:
                raise ValueError(f"{provider.config.nickname} has no webhook mapping")
            if len(self._ready) >= _REMEMBERED:
                self._ready.clear()
            webhook = self._ready[key] = Webhook(mapping)
        return webhook
