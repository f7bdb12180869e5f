"""Folding the log into the states of messages, at a pace that leaves room for the others."""

import asyncio
from contextlib import suppress

from structlog.typing import FilteringBoundLogger

from domain.errors import TryLater
from services.ports import EventLog

# Entries in one transaction: the write lock is held for some milliseconds, while those who send and
# those who take callbacks in wait for it. Far behind, the disk is spared some commits.
_ENTRIES = 500
_ENTRIES_FAR_BEHIND = 1000
_FAR_BEHIND = 10_000
# While more comes in, folding rests so many times as long as it took, its wait for the lock
# included: those who answer the ESP come first, and what has gathered is folded in larger pieces.
_REST = 2.0
# Events that are stored and not folded: more than are folded in some seconds.
_LARGE_LAG = 100_000
# Seconds until it is said again.
_TELL_SECONDS = 60.0
# Seconds between two tries of a busy database, and the longest wait for a next entry.
_PAUSE_SECONDS = 1.0


async def keep_folding(events: EventLog, log: FilteringBoundLogger) -> None:
    """Runs until it is cancelled; an entry is applied soon after those before it are."""
    lag = Lag(log)
    while True:
        folded = False
        with suppress(TryLater):
            head = await events.head()
            await _fold_up(events, lag)
            folded = True
            await events.wait(after=head, timeout_seconds=_PAUSE_SECONDS)
        if not folded:
            await asyncio.sleep(_PAUSE_SECONDS)


async def _fold_up(events: EventLog, lag: "Lag") -> None:
    """Folds until nothing is left."""
    loop = asyncio.get_running_loop()
    while True:
        limit = _ENTRIES_FAR_BEHIND if lag.events > _FAR_BEHIND else _ENTRIES
        began = loop.time()
        left = await events.fold(limit=limit)
        grows = left > lag.events - limit
        lag.is_now(left)
        if grows or not left:
            await asyncio.sleep((loop.time() - began) * _REST)
        if not left:
            return


class Lag:
    """Tells when the states of messages are far behind the events that are stored, and when not."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self.events = 0
        self._log = log
        self._told_at: float | None = None

    def is_now(self, events: int) -> None:
        self.events = events
        now = asyncio.get_running_loop().time()
        if events >= _LARGE_LAG:
            if self._told_at is None or now - self._told_at >= _TELL_SECONDS:
                self._told_at = now
                self._log.warning("the states of messages are behind the log", events=events)
        elif events == 0 and self._told_at is not None:
            self._told_at = None
            self._log.info("the states of messages are up to date again")
