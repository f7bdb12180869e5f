"""One run of a worker over a leased chunk, as far as the chunk is concerned.

The chunk in memory is always ahead of the stored one by the steps that wait for their commit; the
order in which steps are handed to the journal is the order in which they were decided.
"""

import asyncio
from collections.abc import Sequence

from domain.campaign import Recipient
from domain.chunk import Change, OpenRequest
from domain.events import EntryKind, LogEntry
from domain.message import MessageState
from domain.rendering import Rejection
from services.journal import Journal
from services.ports import Claim, EspMessage, Move, Recorded, Step
from services.shares import ANSWER_LOST, Shares

# Seconds until a place is asked for again that another process has.
_FULL_SECONDS = 0.05


class Run:
    """Keeps the chunk of one claim, and records each thing that is decided about it.

    `lost` is set once a step came too late: the chunk belongs to somebody else. `stopped` is set
    with it, and where nothing more of this chunk may be posted now: its campaign is no longer
    sending, or the ESP's answer speaks against it.
    """

    def __init__(self, claim: Claim, journal: Journal, *, provider: str) -> None:
        self.claim = claim
        self.chunk = claim.chunk
        self.lost = False
        self.stopped = False
        # Slots of the provider's rate limit that were waited for and not used yet.
        self.slots = 0
        self._journal = journal
        self._provider = provider

    def recipient(self, ordinal: int) -> Recipient:
        return self.claim.recipients[ordinal - self.chunk.first]

    async def begin(
        self, requests: Sequence[OpenRequest], *, places: int, at: float
    ) -> Sequence[OpenRequest]:
        """Makes the intent to post these durable; the first ones of them, as they are posted now.

        All, or as many as `places` in flight to the provider leave room for, over all processes;
        waits where that is none. None at all once this run is stopped.
        """
        while requests and not self.stopped:
            posting = tuple(request.posted(at=at) for request in requests)
            recorded = await self._start(requests, posting, places)
            if recorded is Recorded.STORED:
                return posting
            if recorded is Recorded.FULL and len(requests) == 1:
                await asyncio.sleep(_FULL_SECONDS)
            requests = requests[: (len(requests) + 1) // 2]
        return ()

    async def _start(
        self, requests: Sequence[OpenRequest], posting: tuple[OpenRequest, ...], places: int
    ) -> Recorded:
        firsts = {request.ordinals[0] for request in self.chunk.requests}
        formed_before = tuple(each for each in requests if each.ordinals[0] in firsts)
        ordinals = tuple(ordinal for request in requests for ordinal in request.ordinals)
        move = Move(ordinals, MessageState.QUEUED, MessageState.SENDING)
        change = Change(dropped=formed_before, formed=posting)
        recorded = await self._record(change, move, starts=places)
        if recorded is not Recorded.STORED:
            # Nothing of an intent that was not stored has happened here either.
            self.chunk = self.chunk.apply(Change(dropped=posting, formed=formed_before))
        return recorded

    async def accept(
        self,
        requests: Sequence[OpenRequest],
        *,
        at: float,
        esp_messages: tuple[EspMessage, ...] = (),
    ) -> None:
        """The ESP took all of these."""
        ordinals = tuple(ordinal for request in requests for ordinal in request.ordinals)
        change = Change(dropped=tuple(requests), settled=ordinals)
        move = Move(ordinals, MessageState.SENDING, MessageState.ACCEPTED)
        entry = self._entry(EntryKind.SENT, ordinals, at=at)
        await self._record(change, move, entries=(entry,), health="", esp_messages=esp_messages)

    async def divide(self, request: OpenRequest, shares: Shares, *, at: float) -> None:
        """The ESP's answer says of each message what became of it; all of it is one step."""
        sending = MessageState.SENDING
        moves = [Move(tuple(shares.accepted), sending, MessageState.ACCEPTED)]
        entries = [self._entry(EntryKind.SENT, tuple(shares.accepted), at=at)]
        for (state, reason, detail), some in shares.settled.items():
            moves.append(Move(tuple(some), sending, state, reason, detail))
            if state is MessageState.REJECTED:
                entries.append(self._entry(EntryKind.FAILED, tuple(some), at=at, reason=detail))
        settled = tuple(ordinal for move in moves for ordinal in move.ordinals)
        later = () if shares.later is None else (shares.later,)
        moves += (Move(each.ordinals, sending, MessageState.QUEUED) for each in later)
        await self._record(
            Change(dropped=(request,), formed=later, settled=settled),
            *(move for move in moves if move.ordinals),
            entries=tuple(entry for entry in entries if entry.ordinals),
            health=shares.health,
            esp_messages=shares.esp_messages,
        )

    async def refuse(
        self, request: OpenRequest, reason: str, detail: str, *, at: float, health: str
    ) -> None:
        """The ESP takes none of these messages, whenever it is asked."""
        change = Change(dropped=(request,), settled=request.ordinals)
        rejected = MessageState.REJECTED
        move = Move(request.ordinals, MessageState.SENDING, rejected, reason, detail)
        entry = self._entry(EntryKind.FAILED, request.ordinals, at=at, reason=detail)
        await self._record(change, move, entries=(entry,), health=health)

    async def lose(
        self, request: OpenRequest, detail: str, *, health: str, reason: str = ANSWER_LOST
    ) -> None:
        """Nobody here can know what became of these messages, and they are not sent again."""
        change = Change(dropped=(request,), settled=request.ordinals)
        move = Move(request.ordinals, MessageState.SENDING, MessageState.UNKNOWN, reason, detail)
        await self._record(change, move, health=health)

    async def keep(
        self, request: OpenRequest, later: Sequence[OpenRequest], *, health: str
    ) -> None:
        """These messages are sent again; `later` says in which requests."""
        move = Move(request.ordinals, MessageState.SENDING, MessageState.QUEUED)
        await self._record(Change(dropped=(request,), formed=tuple(later)), move, health=health)

    async def settle_unsent(
        self, ordinals: Sequence[int], state: MessageState, reason: str = "", detail: str = ""
    ) -> None:
        """These queued messages are not sent at all."""
        if ordinals:
            move = Move(tuple(ordinals), MessageState.QUEUED, state, reason, detail)
            await self._record(Change(settled=tuple(ordinals)), move)

    async def reject(self, rejections: Sequence[Rejection]) -> None:
        """These are not sent, for the reasons that rendering found."""
        alike: dict[tuple[str, str], list[int]] = {}
        for ordinal, reason, message in rejections:
            alike.setdefault((reason, message), []).append(ordinal)
        for said, ordinals in alike.items():
            await self.settle_unsent(ordinals, MessageState.REJECTED, *said)

    async def forget(self, ordinals: Sequence[int], *, at: float) -> None:
        """A callback has settled these messages already, which says that the ESP took them."""
        if ordinals:
            entry = self._entry(EntryKind.SENT, tuple(ordinals), at=at)
            await self._record(Change(settled=tuple(ordinals)), entries=(entry,))

    async def dissolve(self, requests: Sequence[OpenRequest]) -> None:
        """The messages of requests that the ESP did not take are formed into requests anew."""
        if requests:
            await self._record(Change(dropped=tuple(requests)))

    async def release(self) -> None:
        await self._record(Change(released=True))

    async def _record(
        self,
        change: Change,
        *moves: Move,
        entries: tuple[LogEntry, ...] = (),
        starts: int | None = None,
        health: str | None = None,
        esp_messages: tuple[EspMessage, ...] = (),
    ) -> Recorded:
        key = self.chunk.key
        self.chunk = self.chunk.apply(change)
        step = Step(
            key=key,
            change=change,
            starts=starts,
            health=health,
            moves=moves,
            entries=entries,
            esp_messages=esp_messages,
        )
        recorded = await self._journal.record(step)
        self.lost = self.lost or recorded is Recorded.TOO_LATE
        self.stopped = self.stopped or self.lost or recorded is Recorded.REFUSED
        return recorded

    def _entry(
        self, kind: EntryKind, ordinals: tuple[int, ...], *, at: float, reason: str = ""
    ) -> LogEntry:
        return LogEntry(
            kind=kind,
            provider=self._provider,
            number=self.chunk.campaign_number,
            ordinals=ordinals,
            reason=reason,
            occurred_at=at,
            received_at=at,
        )
