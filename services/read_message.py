"""Reads one message with all that is known to have happened to it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import islice

from domain.address import address_key
from domain.errors import NotFound
from domain.events import EVENTS_OF_CALLBACK, START, Cursor, LogEntry, SystemEvent, system_events
from domain.message import MessageState
from domain.message_id import MessageIds, MessageKind
from services.ports import Campaign, CampaignRepository, EventLog, MessageRow

_PAGE = 1000
# The log is read from the campaign's first entry on: so many take about a second.
MAX_ENTRIES = 100_000
# Another recipient with the same address may be mailed instead of one in these states.
_SEEK_FURTHER = frozenset({MessageState.DUPLICATE, MessageState.REJECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A message as it stands, and its system events in order.

    `is_whole` is False where the log went on after MAX_ENTRIES entries of the campaign.
    """

    campaign: Campaign
    message: MessageRow
    events: Sequence[SystemEvent]
    is_whole: bool


class ReadMessage:
    """Raises NotFound for a message or a campaign that is not there."""

    def __init__(
        self,
        *,
        campaigns: CampaignRepository,
        log: EventLog,
        message_ids: MessageIds,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self._campaigns = campaigns
        self._log = log
        self._message_ids = message_ids
        self._max_entries = max_entries

    async def by_id(self, message_id: str) -> History:
        ref = self._message_ids.read(message_id)
        if ref is None or ref.kind is not MessageKind.CAMPAIGN:
            raise NotFound("message", message_id)
        campaign = await self._campaigns.get(ref.number)
        rows, _ = await self._campaigns.messages(ref.number, after=ref.ordinal - 1, limit=1)
        if not rows or rows[0].ordinal != ref.ordinal:
            raise NotFound("message", message_id)
        return await self._history(campaign, rows[0])

    async def by_address(self, number: int, email: str) -> History:
        """Of several recipients with this address it is the one that is mailed."""
        campaign = await self._campaigns.get(number)
        first: MessageRow | None = None
        async for row in self._to(number, address_key(email)):
            first = first or row
            if row.state not in _SEEK_FURTHER:
                return await self._history(campaign, row)
        if first is None:
            raise NotFound(f"message of campaign {number} to", email)
        return await self._history(campaign, first)

    async def _to(self, number: int, email_key: str) -> AsyncIterator[MessageRow]:
        after: int | None = -1
        while after is not None:
            rows, after = await self._campaigns.messages(
                number, after=after, limit=_PAGE, email_key=email_key
            )
            for row in rows:
                yield row

    async def _history(self, campaign: Campaign, row: MessageRow) -> History:
        events: list[SystemEvent] = []
        after, left = START, self._max_entries
        while left > 0:
            entries = await self._log.read(
                after=after, limit=min(left, _PAGE), campaign_number=campaign.number
            )
            if not entries:
                break
            for entry in entries:
                events += self._events(entry, row)
            after, left = _end_of(entries[-1]), left - len(entries)
        is_whole = left > 0 or not await self._log.read(
            after=after, limit=1, campaign_number=campaign.number
        )
        return History(campaign=campaign, message=row, events=events, is_whole=is_whole)

    def _events(self, entry: LogEntry, row: MessageRow) -> Sequence[SystemEvent]:
        """Those of an entry that speak of this message: one, or all of a callback's."""
        if row.ordinal not in entry.ordinals:
            return ()
        addresses = {row.ordinal: row.recipient.email}
        if entry.callback_type is not None:
            return list(system_events(entry, self._message_ids, addresses))
        before = Cursor(entry.position, entry.ordinals.index(row.ordinal) - 1)
        return list(islice(system_events(entry, self._message_ids, addresses, after=before), 1))


def _end_of(entry: LogEntry) -> Cursor:
    """The last event of an entry."""
    kind = entry.callback_type
    events = len(entry.ordinals if kind is None else EVENTS_OF_CALLBACK[kind])
    return Cursor(entry.position, events - 1)
