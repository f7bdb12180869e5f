"""One run of a worker over a leased chunk, as far as the chunk is concerned.

The chunk in memory is always ahead of the stored one by the steps that wait for their commit; the
order in which steps are handed to the journal is the order in which they were decided.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from domain.campaign import Recipient
from domain.chunk import Change, OpenRequest
from domain.events import EntryKind, LogEntry
from domain.message import MessageState
from services.journal import Journal
from services.ports import Claim, Move, Recorded, Step

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
        # A slot of the provider's rate limit that was waited for and not used yet.
        self.holds_slot = False
        self._journal = journal
        self._provider = provider

    def recipient(self, ordinal: int) -> Recipient:
        return self.claim.recipients[ordinal - self.chunk.first]

    async def begin(self, request: OpenRequest, *, places: int, at: float) -> OpenRequest | None:
        """Makes the intent to post `request` durable; None where it must not be posted.

        Waits while `places` requests are in flight to the provider, over all processes.
        """
        posting = replace(
            request,
            posting=True,
            attempts=request.attempts + 1,
            first_attempt_at=request.first_attempt_at or at,
        )
        was_formed = request in self.chunk.requests
        change = Change(dropped=(request,), formed=(posting,))
        move = Move(request.ordinals, MessageState.QUEUED, MessageState.SENDING)
        # Nothing of an intent that was not stored has happened here either.
        undo = Change(dropped=(posting,), formed=(request,) if was_formed else ())
        while not self.stopped:
            recorded = await self._record(change, move, starts=places)
            if recorded is Recorded.STORED:
                return posting
            self.chunk = self.chunk.apply(undo)
            if recorded is Recorded.FULL:
                await asyncio.sleep(_FULL_SECONDS)
        return None

    async def accept(self, request: OpenRequest, *, at: float) -> None:
        entry = self._entry(EntryKind.SENT, request.ordinals, at=at)
        await self._end(request, MessageState.ACCEPTED, entry=entry)

    async def refuse(self, request: OpenRequest, reason: str, detail: str, *, at: float) -> None:
        """The ESP takes none of these messages, whenever it is asked."""
        entry = self._entry(EntryKind.FAILED, request.ordinals, at=at, reason=detail)
        await self._end(request, MessageState.REJECTED, reason, detail, entry=entry)

    async def lose(self, request: OpenRequest, detail: str) -> None:
        """Nobody here can know what became of these messages, and they are not sent again."""
        await self._end(request, MessageState.UNKNOWN, "ANSWER_LOST", detail)

    async def keep(self, request: OpenRequest, later: Sequence[OpenRequest]) -> None:
        """These messages are sent again; `later` says in which requests."""
        move = Move(request.ordinals, MessageState.SENDING, MessageState.QUEUED)
        await self._record(Change(dropped=(request,), formed=tuple(later)), move)

    async def settle_unsent(
        self, ordinals: Sequence[int], state: MessageState, reason: str = "", detail: str = ""
    ) -> None:
        """These queued messages are not sent at all."""
        if ordinals:
            move = Move(tuple(ordinals), MessageState.QUEUED, state, reason, detail)
            await self._record(Change(settled=tuple(ordinals)), move)

    async def forget(self, ordinals: Sequence[int]) -> None:
        """A callback has settled these messages already: they are no longer open."""
        if ordinals:
            await self._record(Change(settled=tuple(ordinals)))

    async def dissolve(self, requests: Sequence[OpenRequest]) -> None:
        """The messages of requests that the ESP did not take are formed into requests anew."""
        if requests:
            await self._record(Change(dropped=tuple(requests)))

    async def release(self) -> None:
        await self._record(Change(released=True))

    async def _end(
        self,
        request: OpenRequest,
        state: MessageState,
        reason: str = "",
        detail: str = "",
        *,
        entry: LogEntry | None = None,
    ) -> None:
        change = Change(dropped=(request,), settled=request.ordinals)
        move = Move(request.ordinals, MessageState.SENDING, state, reason, detail)
        await self._record(change, move, entries=() if entry is None else (entry,))

    async def _record(
        self,
        change: Change,
        *moves: Move,
        entries: tuple[LogEntry, ...] = (),
        starts: int | None = None,
    ) -> Recorded:
        key = self.chunk.key
        self.chunk = self.chunk.apply(change)
        step = Step(key=key, change=change, starts=starts, moves=moves, entries=entries)
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
