"""A campaign in memory: every message has its state, every chunk its lease."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from domain.campaign import CampaignState
from domain.chunk import Change, Chunk, ChunkState
from domain.message import Counts, MessageState
from services.ports import Campaign, MessageRow, Move, Resend

# Nothing but a worker puts a message into one of these; what is in another stays there.
_OF_WORKERS = frozenset({MessageState.QUEUED, MessageState.SENDING, MessageState.ACCEPTED})


@dataclass(slots=True, kw_only=True)
class StoredChunk:
    """A chunk, and to whom it is leased until when (epoch seconds)."""

    chunk: Chunk
    worker: str = ""
    lease_until: float = 0.0

    @property
    def is_held(self) -> bool:
        return self.chunk.state in (ChunkState.CLAIMED, ChunkState.POSTING)

    def is_due(self, now: float) -> bool:
        return self.chunk.state is ChunkState.READY and self.chunk.is_due(now)

    def lease(self, worker: str, *, until: float) -> None:
        epoch = self.chunk.epoch + 1
        self.chunk = replace(self.chunk, state=ChunkState.CLAIMED, epoch=epoch)
        self.worker, self.lease_until = worker, until

    def take_back(self, chunk: Chunk) -> None:
        """Whatever a worker still records of it comes too late."""
        self.chunk = replace(chunk, epoch=chunk.epoch + 1)
        self.worker, self.lease_until = "", 0.0


@dataclass(slots=True, kw_only=True)
class StoredCampaign:
    """A campaign with its messages by ordinal. It is accepted once it has a fingerprint.

    `turn` grows with each of its chunks that is claimed: the campaign with the least is next.
    """

    campaign: Campaign
    fingerprint: bytes | None = None
    turn: int = 0
    messages: dict[int, MessageRow] = field(default_factory=dict)
    chunks: dict[int, StoredChunk] = field(default_factory=dict)
    resends: dict[int, list[Resend]] = field(default_factory=dict)

    @property
    def state(self) -> CampaignState:
        return self.campaign.state

    def counts(self) -> Counts:
        numbers = dict.fromkeys(MessageState, 0)
        for message in self.messages.values():
            numbers[message.state] += 1
        return Counts.of(numbers)

    def is_settled(self, ordinal: int) -> bool:
        """Whether no worker may move this message any more."""
        return self.messages[ordinal].state not in _OF_WORKERS

    def put(
        self,
        ordinals: Iterable[int],
        state: MessageState,
        *,
        reason: str = "",
        detail: str = "",
        at: float | None,
    ) -> None:
        """Puts messages into a state; `at` is None where their chunk alone speaks for it."""
        for ordinal in ordinals:
            before = self.messages[ordinal]
            lost_at = at if state is MessageState.UNKNOWN else before.lost_at
            said = (reason, detail, at, None if state is MessageState.QUEUED else lost_at)
            self.messages[ordinal] = MessageRow(ordinal, before.recipient, state, *said)

    def move(self, move: Move, *, now: float) -> None:
        """Moves those of the messages that nobody else has moved meanwhile."""
        left = [ordinal for ordinal in move.ordinals if not self.is_settled(ordinal)]
        for ordinal in left:
            found = self.messages[ordinal].state
            assert found is move.old, f"message {ordinal} is {found}, and {move} does not start so"
        at = None if move.new in _OF_WORKERS else now
        self.put(left, move.new, reason=move.reason, detail=move.detail, at=at)

    def enter(self, state: CampaignState, reason: str, *, now: float) -> None:
        """Into SENDING with nothing left to send: COMPLETED."""
        old = self.campaign
        started_at = old.started_at
        if state is CampaignState.SENDING:
            started_at = now if started_at is None else started_at
            state = state if self._has_work() else CampaignState.COMPLETED
        self.campaign = replace(
            old,
            state=state,
            state_reason=reason,
            started_at=started_at,
            ended_at=(old.ended_at or now) if state.ended else None,
        )

    def let_go(self, chunk: Chunk, *, now: float) -> None:
        """What follows when a chunk comes back from its worker."""
        if chunk.state is ChunkState.READY and self.state is CampaignState.CANCELLED:
            self.cancel_queued(now=now)
        if chunk.state is ChunkState.DONE and self.state is CampaignState.SENDING:
            reason = self.campaign.state_reason if self._has_work() else ""
            self.enter(CampaignState.SENDING, reason, now=now)

    def cancel_queued(self, *, now: float) -> None:
        """Nothing more is sent; what is in flight stays with its worker until it has ended."""
        for held in self.chunks.values():
            if held.chunk.state is not ChunkState.DONE:
                self._cancel_chunk(held, now=now)

    def _cancel_chunk(self, held: StoredChunk, *, now: float) -> None:
        chunk = held.chunk
        queued = {
            ordinal
            for ordinal in chunk.open_ordinals()
            if self.messages[ordinal].state is MessageState.QUEUED
        }
        # Nobody will repeat these requests to learn what became of them.
        lost = queued.intersection(o for r in chunk.requests if r.doubtful for o in r.ordinals)
        reason = "CAMPAIGN_CANCELLED"
        self.put(lost, MessageState.UNKNOWN, reason=reason, at=now)
        flying = tuple(r for r in chunk.requests if r.posting)
        left = replace(
            chunk.apply(Change(settled=tuple(queued))), state=chunk.state, requests=flying
        )
        if chunk.state is ChunkState.POSTING:
            self.put(queued - lost, MessageState.CANCELLED, reason=reason, at=now)
            held.chunk = left
        else:
            self.put(queued - lost, MessageState.CANCELLED, at=None)
            held.take_back(replace(left, state=ChunkState.DONE))

    def _has_work(self) -> bool:
        return any(held.chunk.state is not ChunkState.DONE for held in self.chunks.values())
