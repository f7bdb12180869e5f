"""Rate limits in memory."""

from math import inf

from domain.pace import slot
from domain.provider import Limits
from tests.fakes.store import Store


class FakeLimiter:
    """Limiter in memory: each caller takes the slot that is free, and moves the time on."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def limits(self, provider_id: int) -> Limits:
        return self._store.providers[provider_id].provider.config.limits

    async def reserve(
        self, provider_id: int, *, requests: int, messages: int, within: float = inf
    ) -> float | None:
        async with self._store.transaction():
            stored = self._store.providers.get(provider_id)
            if stored is None:
                return 0.0
            limits, now = stored.provider.config.limits, self._store.clock.now()
            if stored.is_held(now):
                return None
            request_at, next_request_at = slot(
                stored.next_request_at,
                now=now,
                count=requests,
                rate=limits.max_requests_per_second,
            )
            batch = stored.provider.config.batch
            message_at, next_message_at = slot(
                stored.next_message_at,
                now=now,
                count=messages,
                rate=limits.max_messages_per_second,
                at_least=batch.max_messages if batch else 1,
            )
            wait = max(request_at, message_at) - now
            if wait <= within:
                stored.next_request_at = next_request_at
                stored.next_message_at = next_message_at
            return wait
