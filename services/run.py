"""One run of a worker over a leased chunk, as far as the chunk is concerned.

The chunk in memory is always ahead of the stored one by the steps that wait for their commit; the
order in which steps are handed to the journal is the order in which they were decided.
"""

from collections.abc import Sequence
from dataclasses import replace

from domain.campaign import Recipient
from domain.chunk import OpenRequest
from domain.events import EntryKind, LogEntry
from domain.message import MessageState
from services.journal import Journal
from services.ports import Claim, Move, Step


class Run:
    """Keeps the chunk of one claim, and records each thing that is decided about it.

    `lost` is set once a step came too late: the chunk belongs to somebody else, or its campaign is
    no longer sending. `stopped` is set with it, and where the ESP's answer speaks against posting
    more of this chunk now.
    """

    def __init__(self, claim: Claim, journal: Journal, *, provider: str) -> None:
        self.claim = claim
        self.chunk = claim.chunk
        self.lost = False
        self.stopped = False
        self._journal = journal
        self._provider = provider

    def recipient(self, ordinal: int) -> Recipient:
        return self.claim.recipients[ordinal - self.chunk.first]

    async def begin(self, request: OpenRequest, *, at: float) -> OpenRequest | None:
        """Makes the intent to post `request` durable; None where it must not be posted."""
        posting = replace(
            request,
            posting=True,
            attempts=request.attempts + 1,
            first_attempt_at=request.first_attempt_at or at,
        )
        self.chunk = self.chunk.post(posting, instead_of=request)
        move = Move(request.ordinals, MessageState.QUEUED, MessageState.SENDING)
        return posting if await self._record(move) else None

    async def accept(self, request: OpenRequest, *, at: float) -> None:
        self.chunk = self.chunk.settle(request.ordinals, request=request)
        move = Move(request.ordinals, MessageState.SENDING, MessageState.ACCEPTED)
        entry = self._entry(EntryKind.SENT, request.ordinals, at=at)
        await self._record(move, entries=(entry,))

    async def refuse(self, request: OpenRequest, reason: str, detail: str, *, at: float) -> None:
        """The ESP takes none of these messages, whenever it is asked."""
        self.chunk = self.chunk.settle(request.ordinals, request=request)
        move = Move(request.ordinals, MessageState.SENDING, MessageState.REJECTED, reason, detail)
        entry = self._entry(EntryKind.FAILED, request.ordinals, at=at, reason=detail)
        await self._record(move, entries=(entry,))

    async def lose(self, request: OpenRequest, detail: str) -> None:
        """Nobody here can know what became of these messages, and they are not sent again."""
        self.chunk = self.chunk.settle(request.ordinals, request=request)
        await self._record(
            Move(
                request.ordinals,
                MessageState.SENDING,
                MessageState.UNKNOWN,
                "ANSWER_LOST",
                detail,
            )
        )

    async def keep(self, request: OpenRequest, later: Sequence[OpenRequest]) -> None:
        """These messages are sent again; `later` says in which requests."""
        self.chunk = self.chunk.keep(request, later)
        await self._record(Move(request.ordinals, MessageState.SENDING, MessageState.QUEUED))

    async def settle_unsent(
        self, ordinals: Sequence[int], state: MessageState, reason: str = "", detail: str = ""
    ) -> None:
        """These queued messages are not sent at all."""
        if not ordinals:
            return
        self.chunk = self.chunk.settle(ordinals)
        await self._record(Move(tuple(ordinals), MessageState.QUEUED, state, reason, detail))

    def forget(self, ordinals: Sequence[int]) -> None:
        """A callback has settled these messages; the next step stores that they are not open."""
        self.chunk = self.chunk.settle(ordinals)

    def dissolve(self, request: OpenRequest) -> None:
        """The messages of a request that the ESP did not take are formed into requests anew."""
        self.chunk = self.chunk.keep(request, ())

    async def release(self) -> None:
        self.chunk = self.chunk.release()
        await self._record()

    async def _record(self, *moves: Move, entries: tuple[LogEntry, ...] = ()) -> bool:
        stored = await self._journal.record(Step(chunk=self.chunk, moves=moves, entries=entries))
        if not stored:
            self.lost = self.stopped = True
        return stored

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
