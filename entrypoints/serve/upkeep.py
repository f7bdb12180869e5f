"""What has to be done again and again beside the calls: folding, sweeping, looking for trouble."""

import asyncio
from contextlib import suppress

from structlog.typing import FilteringBoundLogger

from domain.errors import TryLater
from services.ports import CampaignRepository, Clock, EventLog, Storage

# Entries in one transaction: the write lock is held for some tens of milliseconds.
_ENTRIES_AT_ONCE = 2000
# Seconds between two tries of a busy database, and the longest wait for a next entry.
_PAUSE_SECONDS = 1.0
_SWEEP_SECONDS = 300.0
# Seconds between two tries to write: what a dispatcher fails to write is seen here as well.
_PROBE_SECONDS = 5.0
# No stream of recipients takes as long: what began before that has lost its process.
_LONGEST_INTAKE_SECONDS = 6 * 3600.0


async def keep_folding(log: EventLog) -> None:
    """Runs until it is cancelled; an entry is applied as soon as those before it are."""
    while True:
        folded = False
        with suppress(TryLater):
            head = await log.head()
            while await log.fold(limit=_ENTRIES_AT_ONCE):
                pass
            folded = True
            await log.wait(after=head, timeout_seconds=_PAUSE_SECONDS)
        if not folded:
            await asyncio.sleep(_PAUSE_SECONDS)


async def keep_probing(storage: Storage, log: FilteringBoundLogger) -> None:
    """Runs until it is cancelled; so `Storage.trouble` tells what is so now, whoever writes."""
    told = ""
    while True:
        # Calls may have met with trouble since the last time.
        told = _tell(storage.trouble, told, log)
        with suppress(TryLater):
            await storage.probe()
        told = _tell(storage.trouble, told, log)
        await asyncio.sleep(_PAUSE_SECONDS if storage.trouble else _PROBE_SECONDS)


async def keep_sweeping(campaigns: CampaignRepository, clock: Clock) -> None:
    """Runs until it is cancelled; removes what a process that died had taken in and not accepted.

    Nobody ever saw those campaigns; they only take room.
    """
    while True:
        with suppress(TryLater):
            await campaigns.sweep(begun_before=clock.now() - _LONGEST_INTAKE_SECONDS)
        await asyncio.sleep(_SWEEP_SECONDS)


def _tell(trouble: str, told: str, log: FilteringBoundLogger) -> str:
    if trouble and trouble != told:
        log.warning("the database cannot be written", reason=trouble)
    elif told and not trouble:
        log.info("the database can be written again")
    return trouble
