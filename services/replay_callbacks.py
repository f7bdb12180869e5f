"""Reads requests to a callback URL again that were kept."""

from typing import NamedTuple

from domain.callback import BadCallback
from domain.errors import NotPossibleNow
from domain.provider import Provider
from domain.webhook_mapping import WebhookMapping
from services.ports import EventLog, KeptRequests, ProviderRepository
from services.read_webhook import ReadWebhook


class Replayed(NamedTuple):
    """What became of a page of requests; `last` is the id of its last, None at the end of all."""

    requests: int
    unreadable: int
    events: int
    processed: int
    last: int | None


class ReplayCallbacks:
    """By the provider's present mapping. What is stored already is not stored again.

    What still belongs to no message was kept as unprocessed when it came, and is not kept twice.
    """

    def __init__(
        self,
        *,
        providers: ProviderRepository,
        kept: KeptRequests,
        read: ReadWebhook,
        log: EventLog,
    ) -> None:
        self._providers = providers
        self._kept = kept
        self._read = read
        self._log = log

    async def __call__(
        self,
        nickname: str,
        *,
        after: int,
        received_from: float,
        received_before: float,
        limit: int,
    ) -> Replayed:
        """Raises NotFound, NotPossibleNow without a mapping, and TryLater: go on from `after`."""
        provider, _ = await mapped_provider(self._providers, nickname)
        page = await self._kept.page(
            provider.provider_id,
            after=after,
            received_from=received_from,
            received_before=received_before,
            limit=limit,
        )
        unreadable = events = processed = 0
        for one in page:
            try:
                read = self._read(provider, one.request).events
            except BadCallback:
                unreadable += 1
                continue
            found = await self._read.find(provider, read, received_at=one.received_at)
            foreign = await self._log.record_callbacks(
                provider, found.ours, (), received_at=one.received_at, again=True
            )
            events += len(read)
            processed += len(found.ours) - len(foreign)
        last = page[-1].id if len(page) == limit else None
        return Replayed(len(page), unreadable, events, processed, last)


async def mapped_provider(
    providers: ProviderRepository, nickname: str
) -> tuple[Provider, WebhookMapping]:
    """Raises NotFound, and NotPossibleNow where it has no webhook mapping."""
    provider = await providers.get(nickname)
    mapping = provider.config.webhook
    if mapping is None:
        raise NotPossibleNow(
            f"provider {provider.config.nickname!r} has no webhook mapping, so its callbacks are"
            " read as version v2; give it a webhook with ConfigureProvider first",
            reason="NO_WEBHOOK_MAPPING",
        )
    return provider, mapping
