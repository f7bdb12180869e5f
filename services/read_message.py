"""Reads one message with all that is known to have happened to it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import islice

from domain.address import address_key
from domain.errors import NotFound
from domain.event_filter import EventFilter
from domain.events import Cursor, LogEntry, SystemEvent, system_events
from domain.message import MessageState
from domain.message_id import MessageIds, MessageKind, MessageRef
from services.ports import (
    Campaign,
    CampaignRepository,
    EspMessages,
    EventLog,
    EventSearch,
    MessageRow,
    Resend,
)

_PAGE = 1000
# A message has a handful of entries, unless somebody follows its links for days. Where each message
# goes in a request of its own, those of its chunk, up to a thousand, may be found with it.
_MAX_ENTRIES = 5000
# Another recipient with the same address may be mailed instead of one in these states.
_SEEK_FURTHER = frozenset({MessageState.DUPLICATE, MessageState.REJECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A message as it stands, and what is known to have happened to it.

    `events` are in order: the first thousands, if so many. `resends` are what an operator had sent
    again, oldest first. `esp_message_id` is what the ESP calls it, where that is known.
    """

    campaign: Campaign
    message: MessageRow
    events: Sequence[SystemEvent]
    resends: Sequence[Resend] = ()
    esp_message_id: str = ""


class ReadMessage:
    """Raises NotFound for a message or a campaign that is not there."""

    def __init__(
        self,
        *,
        campaigns: CampaignRepository,
        log: EventLog,
        search: EventSearch,
        esp_messages: EspMessages,
        message_ids: MessageIds,
    ) -> None:
        self._campaigns = campaigns
        self._log = log
        self._search = search
        self._esp_messages = esp_messages
        self._message_ids = message_ids

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
        message = MessageRef(MessageKind.CAMPAIGN, campaign.number, row.ordinal)
        entries = await self._search.search(
            where=EventFilter(message=message),
            positions=range(1, await self._log.head() + 1),
            limit=_MAX_ENTRIES,
        )
        events = [event for entry in entries for event in self._events(entry, row)]
        resends = await self._campaigns.resends(campaign.number, row.ordinal)
        return History(
            campaign=campaign,
            message=row,
            events=events,
            resends=resends,
            esp_message_id=await self._esp_messages.id_of(message),
        )

    def _events(self, entry: LogEntry, row: MessageRow) -> Sequence[SystemEvent]:
        """Those of an entry that speak of this message: one, or all of a callback's."""
        if row.ordinal not in entry.ordinals:
            return ()
        addresses = {row.ordinal: row.recipient.email}
        if entry.callback_type is not None:
            return list(system_events(entry, self._message_ids, addresses))
        before = Cursor(entry.position, entry.ordinals.index(row.ordinal) - 1)
        return list(islice(system_events(entry, self._message_ids, addresses, after=before), 1))
