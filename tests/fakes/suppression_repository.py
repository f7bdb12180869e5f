"""Suppressions in memory."""

from collections.abc import Collection, Mapping, Sequence

from domain.suppression import Suppression, SuppressionReason
from tests.fakes.store import Store


class FakeSuppressionRepository:
    """SuppressionRepository in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def suppressed(self, keys: Collection[str]) -> Mapping[str, Suppression]:
        async with self._store.transaction():
            stored = self._store.suppressions
            return {key: stored[key] for key in keys if key in stored}

    async def add(self, suppressions: Sequence[Suppression]) -> int:
        async with self._store.transaction():
            before = len(self._store.suppressions)
            for one in suppressions:
                self._store.suppressions.setdefault(one.key, one)
            return len(self._store.suppressions) - before

    async def remove(self, keys: Collection[str]) -> int:
        async with self._store.transaction():
            there = self._store.suppressions.keys() & set(keys)
            for key in there:
                del self._store.suppressions[key]
        return len(there)

    async def list(
        self,
        *,
        after: str,
        limit: int,
        reason: SuppressionReason | None = None,
        key_prefix: str = "",
    ) -> Sequence[Suppression]:
        async with self._store.transaction():
            found = [
                one
                for key, one in sorted(self._store.suppressions.items())
                if key > after and key.startswith(key_prefix) and reason in (None, one.reason)
            ]
        return found[:limit]
