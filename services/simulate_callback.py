"""Shows what would come of a request to a callback URL."""

from collections.abc import Sequence
from typing import NamedTuple

from domain.callback import BadCallback, occurred_at
from domain.message_id import MessageIds
from domain.webhook import NO_MESSAGE, WebhookEvent
from domain.webhook_request import WebhookRequest
from services.ports import Clock, ProviderRepository
from services.read_webhook import ReadWebhook
from services.replay_callbacks import mapped_provider


class Simulated(NamedTuple):
    """What would become of one event; `reason` says why `message_id` is empty."""

    event: WebhookEvent
    message_id: str
    occurred_at: float
    reason: str


class Simulation(NamedTuple):
    """What would become of a request; `problem` says why it cannot be read."""

    events: Sequence[Simulated]
    skipped: int
    request_skipped: bool
    status: int
    problem: str = ""


class SimulateCallback:
    """Stores nothing, and does not look at signatures."""

    def __init__(
        self,
        *,
        providers: ProviderRepository,
        read: ReadWebhook,
        message_ids: MessageIds,
        clock: Clock,
    ) -> None:
        self._providers = providers
        self._read = read
        self._message_ids = message_ids
        self._clock = clock

    async def __call__(self, nickname: str, request: WebhookRequest) -> Simulation:
        """Raises NotFound, and NotPossibleNow where the provider has no mapping."""
        provider, mapping = await mapped_provider(self._providers, nickname)
        try:
            reading = self._read(provider, request)
        except BadCallback as error:
            return Simulation((), 0, False, mapping.answers.malformed, str(error))
        now = self._clock.now()
        events = []
        for event in reading.events:
            message = await self._read.message(provider, event)
            named = "" if message is None else self._message_ids.token(message)
            happened = occurred_at(event.timestamp, received_at=now)
            events.append(Simulated(event, named, happened, "" if named else NO_MESSAGE))
        return Simulation(events, reading.skipped, reading.request_skipped, mapping.answers.success)
