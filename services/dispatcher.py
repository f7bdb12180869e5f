"""The loop of a worker: claims chunks and dispatches them, until it is told to stop."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import TypeAlias

from domain.campaign import CampaignState
from domain.errors import TryLater
from domain.http import TransportBroken
from services.lease_watch import LeaseWatch
from services.patience import patiently
from services.ports import MOST_BUSY, CampaignRepository, Claim, Clock, WorkQueue

# What a worker holds of one provider at once: enough to render one chunk while others wait for the
# ESP. A slow one keeps no other waiting.
_CHUNKS_OF_A_PROVIDER = 4
_CHUNKS_AT_ONCE = _CHUNKS_OF_A_PROVIDER * MOST_BUSY
# And so many more of small campaigns: a password reset does not wait for a chunk to end.
_SMALL_AT_ONCE = 4
# Seconds after which the chunks of a worker that died are taken over; with the time between two
# looks for them it stays below ten.
_LEASE_SECONDS = 8.0
# Seconds between two looks at leases and schedules, which leaves several tries to renew a lease.
_TEND_SECONDS = 1.0
# Seconds between two looks into an empty queue.
_LOOK_SECONDS = 0.2

Dispatch: TypeAlias = Callable[[Claim, asyncio.Event], Awaitable[None]]
"""Sends what is due of a chunk, until the event is set: `DispatchChunk`."""


class Dispatcher:
    """One worker; `name` tells its leases from those of every other worker, past ones included."""

    def __init__(
        self,
        *,
        name: str,
        queue: WorkQueue,
        campaigns: CampaignRepository,
        dispatch: Dispatch,
        clock: Clock,
    ) -> None:
        self._name = name
        self._queue = queue
        self._campaigns = campaigns
        self._dispatch = dispatch
        self._clock = clock
        self._leases = LeaseWatch(lease_seconds=_LEASE_SECONDS)
        self._running: dict[asyncio.Task[None], Claim] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Works until `stopping` is set, then waits for what is in flight.

        A database that is busy is tried again. Any other error of a chunk ends this worker, after
        its other chunks: whoever supervises it starts a new one, and the lease passes on. Where the
        chunk itself is at fault its campaign is paused first, or the next worker would end as well.
        """
        keeping = asyncio.create_task(self._tend())
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
        self._running = {task: of for task, of in self._running.items() if not _succeeded(task)}
        for claim in await self._claim():
            self._running[asyncio.create_task(self._send(claim, stopping))] = claim
            return
        if self._running:
            ended = asyncio.FIRST_COMPLETED
            await asyncio.wait(self._running, timeout=_LOOK_SECONDS, return_when=ended)
        else:
            await self._queue.wait(timeout_seconds=_LOOK_SECONDS)

    async def _send(self, claim: Claim, stopping: asyncio.Event) -> None:
        try:
            await self._dispatch(claim, stopping)
        except Exception as error:
            fault = _fault_in(error)
            if fault is not None:
                await self._pause(claim, fault)
            raise

    async def _pause(self, claim: Claim, fault: Exception) -> None:
        # What the error says may be a person's data; its type is not.
        reason = (
            f"a fault of the program stopped chunk {claim.chunk.number}: {type(fault).__name__}; "
            "the log of the dispatcher has the place; resume the campaign once it is mended"
        )

        def pause(state: CampaignState) -> tuple[CampaignState, str] | None:
            return (CampaignState.PAUSED, reason) if state is CampaignState.SENDING else None

        number = claim.chunk.campaign_number
        await patiently(lambda: self._campaigns.change_state(number, pause))

    async def _claim(self) -> Sequence[Claim]:
        """One chunk, or none: each changes which providers are busy."""
        held = Counter(of.provider_id for of in self._running.values() if not of.is_small)
        if len(self._running) >= _CHUNKS_AT_ONCE + _SMALL_AT_ONCE:
            return ()
        try:
            return await self._queue.claim(
                self._name,
                limit=1,
                lease_seconds=_LEASE_SECONDS,
                small_only=held.total() >= _CHUNKS_AT_ONCE,
                busy=[one for one, chunks in held.items() if chunks >= _CHUNKS_OF_A_PROVIDER],
            )
        except TryLater:
            return ()

    async def _tend(self) -> None:
        """Renews leases, takes over those of workers that are gone, starts campaigns on time."""
        while True:
            with suppress(TryLater):
                await self._queue.renew(self._name, lease_seconds=_LEASE_SECONDS)
                now = self._clock.now()
                self._leases.renewed(now)
                if self._leases.may_take_over(now):
                    await self._queue.recover()
                await self._queue.start_due()
            await asyncio.sleep(_TEND_SECONDS)

    def _failed(self) -> bool:
        return any(task.done() and not _succeeded(task) for task in self._running)


def _fault_in(error: Exception) -> Exception | None:
    """The first error that the chunk raises again wherever it is sent, or None.

    A transport that broke, and a database that is away, are no fault of a chunk.
    """
    errors = list(_single(error))
    if any(isinstance(one, TransportBroken) for one in errors):
        # The others may well have come of that.
        return None
    return next((one for one in errors if not isinstance(one, TryLater)), None)


def _single(error: Exception) -> Iterator[Exception]:
    """The errors of a group, and of the groups in it."""
    if isinstance(error, ExceptionGroup):
        for one in error.exceptions:
            yield from _single(one)
    else:
        yield error


def _succeeded(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
