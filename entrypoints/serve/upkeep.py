"""What has to be done again and again beside the calls: folding, sweeping, looking for trouble."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress

from structlog.typing import FilteringBoundLogger

from domain.errors import TryLater
from services.ports import CampaignRepository, Clock, EventLog, Storage

# Entries in one transaction: the write lock is held for some milliseconds, while those who send and
# those who take callbacks in wait for it.
_ENTRIES_AT_ONCE = 500
# Events that are stored and not folded: more than are folded in some seconds.
_LARGE_LAG = 100_000
# Seconds until it is said again.
_TELL_SECONDS = 60.0
# Seconds between two tries of a busy database, and the longest wait for a next entry.
_PAUSE_SECONDS = 1.0
_SWEEP_SECONDS = 300.0
# Seconds between two tries to write: what a dispatcher fails to write is seen here as well.
_PROBE_SECONDS = 5.0
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


async def keep_folding(events: EventLog, log: FilteringBoundLogger) -> None:
    """Runs until it is cancelled; an entry is applied as soon as those before it are."""
    lag = _Lag(log)
    while True:
        folded = False
        with suppress(TryLater):
            head = await events.head()
            while left := await events.fold(limit=_ENTRIES_AT_ONCE):
                lag.is_now(left)
            lag.is_now(0)
            folded = True
            await events.wait(after=head, timeout_seconds=_PAUSE_SECONDS)
        if not folded:
            await asyncio.sleep(_PAUSE_SECONDS)


class _Lag:
    """Tells when the states of messages are far behind the events that are stored, and when not."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._told_at: float | None = None

    def is_now(self, events: int) -> None:
        now = asyncio.get_running_loop().time()
        if events >= _LARGE_LAG:
            if self._told_at is None or now - self._told_at >= _TELL_SECONDS:
                self._told_at = now
                self._log.warning("the states of messages are behind the log", events=events)
        elif events == 0 and self._told_at is not None:
            self._told_at = None
            self._log.info("the states of messages are up to date again")


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
        await asyncio.sleep(_PAUSE_SECONDS if storage.trouble else _PROBE_SECONDS)


async def keep_sweeping(campaigns: CampaignRepository, clock: Clock) -> None:
    """Runs until it is cancelled; removes what a process that died had taken in and not accepted.

    Nobody ever saw those campaigns; they only take room.
    """
    while True:
        with suppress(TryLater):
            await campaigns.sweep(begun_before=clock.now() - _LONGEST_INTAKE_SECONDS)
        await asyncio.sleep(_SWEEP_SECONDS)


def _tell(trouble: str, told: str, log: FilteringBoundLogger | None) -> str:
    if log is None:
        return trouble
    if trouble and trouble != told:
        log.warning("the database cannot be written", reason=trouble)
    elif told and not trouble:
        log.info("the database can be written again")
    return trouble
