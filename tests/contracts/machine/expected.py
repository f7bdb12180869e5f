"""A campaign as it must be stored, and its chunks.

It knows no bits, rows or counters: messages with their states, sets of open ordinals, the requests
that were formed, and who holds a chunk until when.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from domain.callback import CallbackType
from domain.campaign import CampaignState, DeliveryGuarantee
from domain.chunk import CHUNK_SIZE, OpenRequest
from domain.events import EntryKind
from domain.message import MessageState, after_callback
from services.ports import Move, Step
from tests.contracts.machine.brief import Brief

QUEUED, SENDING, ACCEPTED = MessageState.QUEUED, MessageState.SENDING, MessageState.ACCEPTED
UNKNOWN, CANCELLED = MessageState.UNKNOWN, MessageState.CANCELLED
# The states that a worker may still move a message out of.
OF_WORKERS = frozenset({QUEUED, SENDING, ACCEPTED})


@dataclass(slots=True, kw_only=True)
class ExpectedChunk:
    """The open messages, and the formed requests by their first ordinal. `worker` holds it."""

    open: set[int]
    requests: dict[int, OpenRequest] = field(default_factory=dict)
    epoch: int = 0
    worker: str = ""
    lease_until: float = 0.0

    @property
    def is_done(self) -> bool:
        return not self.worker and not self.open

    def flying(self) -> list[OpenRequest]:
        return [request for request in self.requests.values() if request.posting]

    def is_due(self, now: float) -> bool:
        formed = {o for request in self.requests.values() for o in request.ordinals}
        waits = [request.not_before for request in self.requests.values()]
        is_time = not self.open <= formed or min(waits, default=0.0) <= now
        return not self.worker and bool(self.open) and is_time


@dataclass(slots=True, kw_only=True)
class ExpectedCampaign(Brief):
    """A campaign and its messages.

    `may_be_taken` are those with an intent that nothing durable has called off since: no worker
    may post one of them again under AT_MOST_ONCE. `resends` counts how often an operator took that
    doubt upon himself. `sent` and `failed` are what the log says of each message.
    """

    number: int
    guarantee: DeliveryGuarantee
    send_at: float | None
    state: CampaignState
    messages: dict[int, MessageState]
    chunks: dict[int, ExpectedChunk]
    had_intent: set[int] = field(default_factory=set)
    may_be_taken: set[int] = field(default_factory=set)
    abandoned: set[int] = field(default_factory=set)
    resends: Counter[int] = field(default_factory=Counter)
    sent: Counter[int] = field(default_factory=Counter)
    failed: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(
        cls,
        sizes: Sequence[int],
        unsent: Collection[int],
        *,
        number: int,
        guarantee: DeliveryGuarantee,
        send_at: float | None,
    ) -> "ExpectedCampaign":
        """One that was just accepted: chunks of these sizes, the `unsent` of them duplicates."""
        chunks: dict[int, ExpectedChunk] = {}
        messages: dict[int, MessageState] = {}
        for i, size in enumerate(sizes):
            ordinals = range(i * CHUNK_SIZE, i * CHUNK_SIZE + size)
            chunks[i] = ExpectedChunk(open=set(ordinals).difference(unsent))
            messages |= dict.fromkeys(ordinals, QUEUED)
        return cls(
            number=number,
            guarantee=guarantee,
            send_at=send_at,
            state=CampaignState.SENDING if send_at is None else CampaignState.SCHEDULED,
            messages=messages | dict.fromkeys(unsent, MessageState.DUPLICATE),
            chunks=chunks,
        )

    def __repr__(self) -> str:
        return f"campaign {self.number} ({self.state})"

    def said(self, kind: EntryKind) -> Counter[int]:
        return self.sent if kind is EntryKind.SENT else self.failed

    def chunk_of(self, ordinal: int) -> ExpectedChunk:
        return self.chunks[ordinal // CHUNK_SIZE]

    def in_state(self, *states: MessageState) -> list[int]:
        return [ordinal for ordinal, state in self.messages.items() if state in states]

    def is_held(self) -> bool:
        return any(chunk.worker for chunk in self.chunks.values())

    def take(self, step: Step) -> None:
        """A step that was stored; `let_go` follows where the chunk was released."""
        chunk = self.chunks[step.key.number]
        for request in step.change.dropped:
            chunk.requests.pop(request.ordinals[0], None)
        chunk.requests |= {request.ordinals[0]: request for request in step.change.formed}
        chunk.open.difference_update(step.change.settled)
        for move in step.moves:
            self._move(move)
        for entry in step.entries:
            self.said(entry.kind).update(entry.ordinals)

    def _move(self, move: Move) -> None:
        if move.new is SENDING:
            self._intend(move.ordinals)
        if move.new is QUEUED:
            # The ESP took none of them, or an answer was lost and the request is in doubt.
            self.may_be_taken.difference_update(move.ordinals)
        if move.new is UNKNOWN:
            self._lose(move.ordinals)
            return
        for ordinal in self._left_to_workers(move.ordinals):
            assert self.messages[ordinal] is move.old, (
                f"message {ordinal} does not start so: {move}"
            )
            self.messages[ordinal] = move.new

    def _intend(self, ordinals: Collection[int]) -> None:
        if self.guarantee is DeliveryGuarantee.AT_MOST_ONCE:
            again = self.may_be_taken.intersection(ordinals)
            assert not again, f"{again} may have been posted before, and nobody asked for more"
        self.had_intent.update(ordinals)
        self.may_be_taken.update(ordinals)

    def _lose(self, ordinals: Collection[int]) -> None:
        left = self._left_to_workers(ordinals)
        self.messages |= dict.fromkeys(left, UNKNOWN)
        # A callback has proved of the others that the ESP took them.
        self.sent.update(set(ordinals).difference(left))

    def _left_to_workers(self, ordinals: Iterable[int]) -> list[int]:
        return [ordinal for ordinal in ordinals if self.messages[ordinal] in OF_WORKERS]

    def abandon(self, chunk: ExpectedChunk) -> None:
        """The worker of this chunk is gone."""
        for request in chunk.flying():
            if self.guarantee is DeliveryGuarantee.AT_MOST_ONCE:
                del chunk.requests[request.ordinals[0]]
                chunk.open.difference_update(request.ordinals)
                self._lose(request.ordinals)
            else:
                doubtful = replace(request, posting=False, doubtful=True)
                chunk.requests[request.ordinals[0]] = doubtful
                left = self._left_to_workers(request.ordinals)
                self.messages |= dict.fromkeys(left, QUEUED)
        self.let_go(chunk)

    def let_go(self, chunk: ExpectedChunk) -> None:
        chunk.worker = ""
        if chunk.open and self.state is CampaignState.CANCELLED:
            self._cancel()
        self.settle()

    def settle(self) -> None:
        is_done = all(chunk.is_done for chunk in self.chunks.values())
        if self.state is CampaignState.SENDING and is_done:
            self.state = CampaignState.COMPLETED

    def enter(self, state: CampaignState) -> None:
        if state is CampaignState.CANCELLED and not self.state.ended:
            self._cancel()
        self.state = state
        self.settle()

    def _cancel(self) -> None:
        for chunk in self.chunks.values():
            self._cancel_chunk(chunk)

    def _cancel_chunk(self, chunk: ExpectedChunk) -> None:
        """Nothing more of it is sent; its worker keeps what is in flight."""
        doubtful = {o for r in chunk.requests.values() if r.doubtful for o in r.ordinals}
        for ordinal in sorted(chunk.open):
            if self.messages[ordinal] is QUEUED:
                self.messages[ordinal] = UNKNOWN if ordinal in doubtful else CANCELLED
                chunk.open.discard(ordinal)
        chunk.requests = {r.ordinals[0]: r for r in chunk.flying()}
        if not chunk.requests:
            chunk.worker = ""
            chunk.open.clear()

    def resolve(self, ordinals: Collection[int], *, resend: bool) -> None:
        self.messages |= dict.fromkeys(ordinals, QUEUED if resend else CANCELLED)
        if not resend:
            self.abandoned.update(ordinals)
            return
        for ordinal in ordinals:
            self.chunk_of(ordinal).open.add(ordinal)
        self.may_be_taken.difference_update(ordinals)
        self.resends.update(ordinals)
        if ordinals and self.state is CampaignState.COMPLETED:
            self.state = CampaignState.SENDING

    def report(self, ordinal: int, callback: CallbackType) -> None:
        old = UNKNOWN if ordinal in self.abandoned else self.messages[ordinal]
        new = after_callback(old, callback)
        if new is old:
            return
        self.messages[ordinal] = new
        self.abandoned.discard(ordinal)
        if old is UNKNOWN:
            self.sent[ordinal] += 1
