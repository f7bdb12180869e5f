"""The loop of a worker: claims chunks and dispatches them, until it is told to stop."""

import asyncio
from contextlib import suppress

from domain.errors import TryLater
from services.dispatch import DispatchChunk
from services.ports import Claim, WorkQueue

# What a worker holds at once: enough to render one chunk while others wait for the ESP.
_CHUNKS_AT_ONCE = 4
# Seconds after which the chunks of a worker that died are taken over.
_LEASE_SECONDS = 10.0
# Three tries to renew a lease before it is over.
_RENEW_SECONDS = 3.0
# Seconds between two looks into an empty queue.
_LOOK_SECONDS = 0.2


class Dispatcher:
    """One worker; `name` tells its leases from those of every other worker, past ones included."""

    def __init__(self, *, name: str, queue: WorkQueue, dispatch: DispatchChunk) -> None:
        self._name = name
        self._queue = queue
        self._dispatch = dispatch
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Works until `stopping` is set, then waits for what is in flight.

        A database that is busy is tried again. Any other error of a chunk ends this worker, after
        its other chunks: whoever supervises it starts a new one, and the lease passes on.
        """
        keeping = asyncio.create_task(self._keep_leases())
        try:
            while not stopping.is_set() and not self._failed():
                await self._look(stopping)
        finally:
            finished = await asyncio.gather(*self._running, return_exceptions=True)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        for result in finished:
            if isinstance(result, BaseException):
                raise result

    async def _look(self, stopping: asyncio.Event) -> None:
        self._running = {task for task in self._running if not _succeeded(task)}
        free = _CHUNKS_AT_ONCE - len(self._running)
        if free <= 0:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            return
        claims = await self._claim(free)
        for claim in claims:
            self._running.add(asyncio.create_task(self._dispatch(claim, stopping)))
        if not claims:
            await self._queue.wait(timeout_seconds=_LOOK_SECONDS)

    async def _claim(self, free: int) -> list[Claim]:
        try:
            return list(
                await self._queue.claim(self._name, limit=free, lease_seconds=_LEASE_SECONDS)
            )
        except TryLater:
            return []

    async def _keep_leases(self) -> None:
        """Renews this worker's leases, and takes over those of workers that are gone."""
        while True:
            with suppress(TryLater):
                await self._queue.renew(self._name, lease_seconds=_LEASE_SECONDS)
                await self._queue.recover()
                await self._queue.start_due()
            await asyncio.sleep(_RENEW_SECONDS)

    def _failed(self) -> bool:
        return any(task.done() and not _succeeded(task) for task in self._running)


def _succeeded(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
