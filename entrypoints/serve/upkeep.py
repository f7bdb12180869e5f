"""What has to be done again and again beside the calls: sweeping, and looking for trouble."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress

from structlog.typing import FilteringBoundLogger

from domain.errors import TryLater
from services.ports import CampaignRepository, Clock, KeptRequests, Storage

_SWEEP_SECONDS = 300.0
# Seconds between two tries to write: what a dispatcher fails to write is seen here as well.
_PROBE_SECONDS = 5.0
_PROBE_IN_TROUBLE_SECONDS = 1.0
# No stream of recipients takes as long: what began before that has lost its process.
_LONGEST_INTAKE_SECONDS = 6 * 3600.0


@asynccontextmanager
async def running(
    work: Coroutine[object, object, None], stopping: asyncio.Event
) -> AsyncIterator[None]:
    """Does the work meanwhile. Where it fails the process stops, and ends with its error."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda _: stopping.set())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def keep_probing(storage: Storage, log: FilteringBoundLogger | None = None) -> None:
    """Runs until it is cancelled; so `Storage.trouble` tells what is so now, whoever writes.

    One process of the service has a `log` for it.
    """
    told = ""
    while True:
        # Calls may have met with trouble since the last time.
        told = _tell(storage.trouble, told, log)
        with suppress(TryLater):
            await storage.probe()
        told = _tell(storage.trouble, told, log)
        await asyncio.sleep(_PROBE_IN_TROUBLE_SECONDS if storage.trouble else _PROBE_SECONDS)


async def keep_sweeping(campaigns: CampaignRepository, clock: Clock) -> None:
    """Runs until it is cancelled; removes what a process that died had taken in and not accepted.

    Nobody ever saw those campaigns; they only take room.
    """
    while True:
        with suppress(TryLater):
            await campaigns.sweep(begun_before=clock.now() - _LONGEST_INTAKE_SECONDS)
        await asyncio.sleep(_SWEEP_SECONDS)


async def keep_pruning(kept: KeptRequests, clock: Clock) -> None:
    """Runs until it is cancelled; removes what was kept of callbacks once its time is over."""
    while True:
        with suppress(TryLater):
            await kept.prune(now=clock.now())
        await asyncio.sleep(_SWEEP_SECONDS)


def _tell(trouble: str, told: str, log: FilteringBoundLogger | None) -> str:
    if log is None:
        return trouble
    if trouble and trouble != told:
        log.warning("the database cannot be written", reason=trouble)
    elif told and not trouble:
        log.info("the database can be written again")
    return trouble
