"""Keeps messages, counts and suppressions up with the log."""

import asyncio
from contextlib import suppress

from domain.errors import TryLater
from services.ports import EventLog

# Entries in one transaction: the write lock is held for some tens of milliseconds.
_ENTRIES_AT_ONCE = 2000
# Seconds between two tries of a busy database, and the longest wait for a next entry.
_PAUSE_SECONDS = 1.0


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
