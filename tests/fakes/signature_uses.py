"""The uses of signatures, in memory."""

from collections.abc import Collection, Mapping

from services.ports import Trace
from tests.fakes.store import Store


class FakeSignatureUses:
    """The port SignatureUses in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, uses: Collection[bytes]) -> Mapping[bytes, bytes]:
        async with self._store.transaction():
            known = self._store.signature_uses
            return {use: known[use].body for use in uses if use in known}

    async def add(self, traces: Collection[Trace]) -> None:
        async with self._store.transaction():
            known, now = self._store.signature_uses, self._store.clock.now()
            for trace in traces:
                known.setdefault(trace.use, trace)
            for use in [use for use, trace in known.items() if trace.until < now]:
                del known[use]
