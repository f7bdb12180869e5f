"""Requests to callback URLs that were kept, in memory."""

from collections.abc import Sequence
from dataclasses import replace

from services.ports import KeptRequest
from tests.fakes.store import Store


class FakeKeptRequests:
    """The port KeptRequests in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(
        self,
        provider_id: int,
        *,
        after: int,
        received_from: float,
        received_before: float,
        limit: int,
    ) -> Sequence[KeptRequest]:
        async with self._store.transaction():
            return [
                KeptRequest(id_, at, replace(kept.request, url=""))
                for id_, (of, at, kept) in enumerate(self._store.kept, start=1)
                if of == provider_id and id_ > after and received_from <= at < received_before
            ][:limit]

    async def prune(self, *, now: float) -> int:
        async with self._store.transaction():
            left = [entry for entry in self._store.kept if entry[2].until > now]
            removed = len(self._store.kept) - len(left)
            self._store.kept[:] = left
        return removed
