"""Reads system events from the log: a page of them, or all there are up to now."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple

from domain.address import address_key
from domain.event_filter import EventFilter
from domain.events import START, Cursor, LogEntry, SystemEvent, system_events
from domain.message_id import MessageIds
from services.addresses import Addresses
from services.ports import Clock, EventLog, EventSearch

# Entries in one look. Each may speak of a thousand messages.
_ENTRIES_AT_ONCE = 500
# Positions in one look. Where a condition has no index all of them are read, in some tens of
# milliseconds; of one campaign or message only its own are, and in all of the log they are few.
_POSITIONS_AT_ONCE = 100_000
_POSITIONS_OF_ONE = 1_000_000
# How long a page looks on for what it could hold; then it ends with what it has, and a next one.
_PAGE_SECONDS = 1.0
# By how much the order of entries and that of their times may differ: from when something was
# received to when it was durable, and between the clocks of machines.
_DISORDER_SECONDS = 3600.0
# Behind every event of one entry.
_ALL_OF_IT = 2**32


class Batch(NamedTuple):
    """Events in order, and the cursor of a reader who has them. There may be no event."""

    events: Sequence[SystemEvent]
    cursor: Cursor


class _Stretch(NamedTuple):
    """Some of the log: the events that were wanted, made one by one, and where it ends."""

    events: Iterator[SystemEvent]
    end: Cursor


class ReadEvents:
    """Every look at the log is bounded, however large it is and however little is wanted."""

    def __init__(
        self,
        *,
        log: EventLog,
        search: EventSearch,
        addresses: Addresses,
        message_ids: MessageIds,
        clock: Clock,
    ) -> None:
        self._log = log
        self._search = search
        self._addresses = addresses
        self._message_ids = message_ids
        self._clock = clock

    async def now(self) -> Cursor:
        """The cursor of a reader who has all that the log holds."""
        return whole(await self._log.head())

    async def wait(self, after: Cursor, *, timeout_seconds: float) -> None:
        """Returns when the log has an entry behind the cursor's, at latest after that time."""
        await self._log.wait(after=after.position, timeout_seconds=timeout_seconds)

    async def up_to_now(
        self, where: EventFilter, after: Cursor, *, size: int
    ) -> AsyncGenerator[Batch, None]:
        """What is wanted behind `after`, in batches of up to `size`, to the log's present end."""
        async with aclosing(self._forward(where, after, _ENTRIES_AT_ONCE)) as stretches:
            async for stretch in stretches:
                batch: list[SystemEvent] = []
                for event in stretch.events:
                    if len(batch) == size:
                        yield Batch(batch, batch[-1].cursor)
                        batch = []
                    batch.append(event)
                yield Batch(batch, stretch.end)

    async def page(
        self, where: EventFilter, *, size: int, after: Cursor | None, newest_first: bool
    ) -> tuple[Sequence[SystemEvent], Cursor | None]:
        """Up to `size` events behind `after` in the order asked for, and the next page's `after`.

        None is for the first page, and says that this was the last. A page may be short, or empty,
        and yet have a next one.
        """
        limit = min(size + 1, _ENTRIES_AT_ONCE)
        if newest_first:
            stretches = self._backward(where, after, limit)
        else:
            stretches = self._forward(where, after or START, limit)
        deadline = self._clock.now() + _PAGE_SECONDS
        page: list[SystemEvent] = []
        async with aclosing(stretches):
            async for stretch in stretches:
                for event in stretch.events:
                    if len(page) == size:
                        return page, page[-1].cursor
                    page.append(event)
                if self._clock.now() >= deadline:
                    return page, stretch.end
        return page, None

    async def _forward(
        self, where: EventFilter, after: Cursor, limit: int
    ) -> AsyncGenerator[_Stretch, None]:
        first, last = await self._ends(where)
        after = max(after, whole(first - 1))
        while after < whole(last):
            start = after.position + (after.offset >= _ALL_OF_IT)
            stop = min(last, start + _look(where) - 1) + 1
            entries = await self._search.search(
                where=where, positions=range(start, stop), limit=limit
            )
            end = whole(stop - 1 if len(entries) < limit else entries[-1].position)
            known = await self._known(entries)
            yield _Stretch(self._events(where, known, after), end)
            after = end

    async def _backward(
        self, where: EventFilter, before: Cursor | None, limit: int
    ) -> AsyncGenerator[_Stretch, None]:
        first, last = await self._ends(where)
        before = whole(last) if before is None else min(before, whole(last))
        # No event is before the first one of its entry.
        while before > Cursor(first, 0):
            stop = before.position + (before.offset > 0)
            start = max(first, stop - _look(where))
            entries = await self._search.search(
                where=where, positions=range(start, stop), limit=limit, newest_first=True
            )
            end = Cursor(start if len(entries) < limit else entries[-1].position, 0)
            known = await self._known(entries)
            yield _Stretch(self._events_back(where, known, before), end)
            before = end

    async def _ends(self, where: EventFilter) -> tuple[int, int]:
        """The first and the last position at which something wanted may be."""
        first, last = 1, await self._log.head()
        if where.received_from is not None:
            first += await self._search.position_at(where.received_from - _DISORDER_SECONDS)
        if where.received_before is not None:
            behind = await self._search.position_at(where.received_before + _DISORDER_SECONDS)
            last = min(last, behind + 1)
        return first, last

    async def _known(
        self, entries: Sequence[LogEntry]
    ) -> Sequence[tuple[LogEntry, Mapping[int, str]]]:
        return [(entry, await self._addresses.of(entry)) for entry in entries]

    def _events(
        self,
        where: EventFilter,
        known: Sequence[tuple[LogEntry, Mapping[int, str]]],
        after: Cursor,
    ) -> Iterator[SystemEvent]:
        for entry, addresses in known:
            if _may_pass(where, entry, addresses):
                found = system_events(entry, self._message_ids, addresses, after=after)
                yield from filter(where.passes, found)

    def _events_back(
        self,
        where: EventFilter,
        known: Sequence[tuple[LogEntry, Mapping[int, str]]],
        before: Cursor,
    ) -> Iterator[SystemEvent]:
        for entry, addresses in known:
            if _may_pass(where, entry, addresses):
                found = list(system_events(entry, self._message_ids, addresses))
                for event in reversed(found):
                    if event.cursor < before and where.passes(event):
                        yield event


def whole(position: int) -> Cursor:
    """The cursor of a reader who has every event of the entry at this position."""
    return Cursor(position, _ALL_OF_IT)


def _look(where: EventFilter) -> int:
    """How many positions to look at."""
    of_one = where.campaign_number is not None or where.message is not None
    return _POSITIONS_OF_ONE if of_one else _POSITIONS_AT_ONCE


def _may_pass(where: EventFilter, entry: LogEntry, addresses: Mapping[int, str]) -> bool:
    """Spares making a thousand events of an entry to find that it holds none that is wanted."""
    if where.message is not None and where.message.ordinal not in entry.ordinals:
        return False
    if not where.recipient:
        return True
    found = [addresses.get(ordinal) for ordinal in entry.ordinals]
    # Where there is none, the event may have the one that the ESP named.
    return any(email is None or address_key(email) == where.recipient for email in found)
