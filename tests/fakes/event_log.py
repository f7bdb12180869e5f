"""The event log in memory."""

from collections.abc import Sequence
from dataclasses import replace

from domain.address import address_key
from domain.callback import SUPPRESSES, UNKNOWN_META, Attributed, CallbackType, Unprocessed
from domain.event_filter import EventFilter
from domain.events import EVENTS_OF_CALLBACK, Cursor, EntryKind, LogEntry
from domain.message import MessageState, after_callback, before_callback
from domain.message_id import MessageKind, MessageRef
from domain.provider import Provider, nickname_key
from domain.suppression import Suppression, SuppressionReason
from services.ports import Kept
from tests.fakes.store import Store
from tests.fakes.stored_campaign import StoredCampaign


class FakeEventLog:
    """EventLog and EventSearch in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: set[tuple[MessageRef, int]] = set()

    async def record_callbacks(
        self,
        provider: Provider,
        events: Sequence[Attributed],
        unprocessed: Sequence[Unprocessed],
        *,
        received_at: float,
        kept: Kept | None = None,
        again: bool = False,
    ) -> Sequence[Attributed]:
        async with self._store.transaction():
            if kept is not None:
                self._store.kept.append((provider.provider_id, received_at, kept))
            foreign = [item for item in events if not self._is_known(provider, item.message)]
            self._store.unprocessed += unprocessed
            self._store.unprocessed += [
                Unprocessed(event=item.event, reason=UNKNOWN_META) for item in foreign if not again
            ]
            for item in events:
                if item not in foreign:
                    self._append(provider, item, received_at)
        return foreign

    async def read(
        self, *, after: Cursor, limit: int, campaign_number: int | None = None
    ) -> Sequence[LogEntry]:
        async with self._store.transaction():
            entries = [self._entry(at) for at in range(max(after.position - 1, 0), len(self._log))]
        return [
            entry
            for entry in entries
            if not _is_read(entry, after) and campaign_number in (None, _campaign_of(entry))
        ][:limit]

    async def search(
        self, *, where: EventFilter, positions: range, limit: int, newest_first: bool = False
    ) -> Sequence[LogEntry]:
        async with self._store.transaction():
            entries = [self._entry(at) for at in range(len(self._log))]
        found = [
            entry for entry in entries if entry.position in positions and _may_hold(entry, where)
        ]
        return (found[::-1] if newest_first else found)[:limit]

    async def position_at(self, time: float) -> int:
        async with self._store.transaction():
            entries = [self._entry(at) for at in range(len(self._log))]
        return max((entry.position for entry in entries if entry.received_at < time), default=0)

    async def wait(self, *, after: int, timeout_seconds: float) -> None:
        await self._store.wait(lambda: len(self._log) > after, timeout_seconds=timeout_seconds)

    async def head(self) -> int:
        async with self._store.transaction():
            return len(self._log)

    async def lag(self) -> int:
        async with self._store.transaction():
            return len(self._log) - self._store.folded

    async def fold(self, *, limit: int) -> int:
        async with self._store.transaction():
            first = self._store.folded
            self._store.folded = min(first + limit, len(self._log))
            for at in range(first, self._store.folded):
                self._apply(self._entry(at))
            return len(self._log) - self._store.folded

    @property
    def _log(self) -> Sequence[object]:
        return self._store.log

    def _entry(self, at: int) -> LogEntry:
        """The entry, under the present name of its provider."""
        provider_id, entry = self._store.log[at]
        return replace(entry, provider=self._store.nickname(provider_id))

    def _is_known(self, provider: Provider, message: MessageRef) -> bool:
        if message.kind is MessageKind.TEST:
            test = self._store.tests.get(message.number)
            known = test is not None and test.provider_id == provider.provider_id
            return known and message.ordinal == 0
        campaign = self._store.campaigns.get(message.number)
        return (
            campaign is not None
            and campaign.fingerprint is not None
            and campaign.campaign.provider_id == provider.provider_id
            and message.ordinal in campaign.messages
        )

    def _append(self, provider: Provider, item: Attributed, received_at: float) -> None:
        key = (item.message, item.digest)
        if key in self._seen:
            return
        self._seen.add(key)
        entry = LogEntry(
            kind=EntryKind.CALLBACK,
            provider=provider.config.nickname,
            number=item.message.number,
            ordinals=(item.message.ordinal,),
            message_kind=item.message.kind,
            callback_type=item.type,
            email=item.event.email,
            description=item.event.description,
            occurred_at=item.occurred_at,
            received_at=received_at,
        )
        self._store.append(provider.provider_id, entry)

    def _apply(self, entry: LogEntry) -> None:
        callback = entry.callback_type
        if callback is None or entry.message_kind is not MessageKind.CAMPAIGN:
            return
        campaign, now = self._store.campaigns[entry.number], self._store.clock.now()
        if _move(campaign, entry, callback, now=now) is MessageState.UNKNOWN:
            # The ESP took it, as its answer would have said.
            self._store.say_sent(campaign, [entry.message.ordinal])
        reason = SUPPRESSES[callback]
        if reason is not None:
            found = _suppression(campaign, entry, callback, reason, now=now)
            self._store.suppressions.setdefault(found.key, found)


def _is_read(entry: LogEntry, after: Cursor) -> bool:
    kind = entry.callback_type
    events = len(entry.ordinals if kind is None else EVENTS_OF_CALLBACK[kind])
    return Cursor(entry.position, events - 1) <= after


def _campaign_of(entry: LogEntry) -> int | None:
    return entry.number if entry.message_kind is MessageKind.CAMPAIGN else 0


def _may_hold(entry: LogEntry, where: EventFilter) -> bool:
    """Whether an event of the entry may pass; the recipients of its messages are not looked up."""
    is_test, received = entry.message_kind is MessageKind.TEST, entry.received_at
    is_typed = entry.kind in where.outcomes or entry.callback_type in where.callbacks
    return (
        where.campaign_number in (None, _campaign_of(entry))
        and (where.message is None or _speaks_of(entry, where.message))
        and where.provider in ("", nickname_key(entry.provider))
        and is_typed
        and where.test in (None, is_test)
        and (where.received_from is None or received >= where.received_from)
        and (where.received_before is None or received < where.received_before)
    )


def _speaks_of(entry: LogEntry, message: MessageRef) -> bool:
    of_one = (entry.message_kind, entry.number) == (message.kind, message.number)
    return of_one and message.ordinal in entry.ordinals


def _move(
    campaign: StoredCampaign, entry: LogEntry, callback: CallbackType, *, now: float
) -> MessageState | None:
    """The state that the message has left, or None where it stays."""
    ordinal = entry.message.ordinal
    message = campaign.messages[ordinal]
    old = before_callback(message.state, message.reason)
    new = after_callback(old, callback)
    if new is old:
        return None
    campaign.put([ordinal], new, detail=entry.description or "", at=now)
    return old


def _suppression(
    campaign: StoredCampaign,
    entry: LogEntry,
    callback: CallbackType,
    reason: SuppressionReason,
    *,
    now: float,
) -> Suppression:
    """Of the person whom the ESP speaks of: one who got a copy, else the message's recipient."""
    ordinal, content = entry.message.ordinal, campaign.campaign.spec.content
    copies = {address_key(email) for email in (*content.cc, *content.bcc)}
    is_copy = address_key(entry.email) in copies
    email = entry.email if is_copy else campaign.messages[ordinal].recipient.email
    return Suppression(
        email=email,
        key=address_key(email),
        reason=reason,
        detail=entry.description or callback.value,
        event_position=entry.position,
        campaign_number=entry.number,
        ordinal=ordinal,
        provider=entry.provider,
        created_at=now,
    )
