"""Rate limits in memory."""

from tests.fakes.store import Store


class FakeLimiter:
    """Limiter in memory: each caller takes the slot that is free, and moves the time on."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def reserve(self, provider_id: int, *, requests: int, messages: int) -> float | None:
        async with self._store.transaction():
            stored = self._store.providers.get(provider_id)
            if stored is None:
                return 0.0
            limits, now = stored.provider.config.limits, self._store.clock.now()
            if (stored.provider.paused_until or 0.0) > now:
                return None
            start = now
            if limits.max_requests_per_second is not None:
                start = max(now, stored.next_request_at)
                stored.next_request_at = start + requests / limits.max_requests_per_second
            if limits.max_messages_per_second is not None:
                slot = max(now, stored.next_message_at)
                stored.next_message_at = slot + messages / limits.max_messages_per_second
                start = max(start, slot)
            return start - now
