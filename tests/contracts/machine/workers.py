"""Workers as the queue sees them: what each believes of its chunks, and the steps that it takes.

A worker decides on a chunk in memory, which is ahead of the stored one by what waits in its
journal. It dies with all of that; it may also oversleep its leases, and go on without knowing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from domain.campaign import DeliveryGuarantee
from domain.chunk import Change, Chunk, OpenRequest
from domain.events import EntryKind, LogEntry
from domain.message import MessageState
from services.ports import Claim, Move, Recorded, Step
from tests.contracts.machine.brief import Brief

_QUEUED, _SENDING = MessageState.QUEUED, MessageState.SENDING


class Answer(Enum):
    """What an ESP makes of a request, as far as its worker gets to know."""

    ACCEPTED = auto()
    REFUSED = auto()
    LATER = auto()
    HALVE = auto()
    LOST = auto()

    @property
    def health(self) -> str:
        """What it says of the ESP: nothing bad, or how it fails."""
        return "it fails" if self in (Answer.LATER, Answer.LOST) else ""


@dataclass(slots=True, eq=False)
class Flight(Brief):
    """A request whose intent is stored and that has no answer yet.

    `resends` is how often an operator had each of its messages sent again before. `is_taken` says
    that the ESP has taken it, and that its answer can be no other or is lost.
    """

    run: "Run"
    request: OpenRequest
    resends: Counter[int]
    is_taken: bool = False

    def messages(self) -> list[tuple[int, int, int]]:
        """Campaign, ordinal and number of resends of each."""
        number = self.run.chunk.campaign_number
        return [(number, ordinal, self.resends[ordinal]) for ordinal in self.request.ordinals]

    def __repr__(self) -> str:
        return f"{self.run!r}{list(self.request.ordinals)}"


@dataclass(slots=True, eq=False)
class Decision:
    """A step that was decided. `posting` and `undo` are set for an intent."""

    run: "Run"
    step: Step
    posting: tuple[OpenRequest, ...] = ()
    undo: Change = field(default_factory=Change)


@dataclass(slots=True, eq=False)
class Run(Brief):
    """A chunk as the worker that claimed it believes it to be.

    `stopped` is set once its campaign was found not to be sending.
    """

    worker: "Worker"
    claim: Claim
    chunk: Chunk
    flights: list[Flight] = field(default_factory=list)
    stopped: bool = False

    def __repr__(self) -> str:
        campaign, number, epoch = self.chunk.key
        return f"{self.worker.name}:c{campaign}.{number}@{epoch}"

    def repeats(self, now: float) -> list[OpenRequest]:
        """The requests that go again."""
        return [one for one in self._waiting() if one.is_due(now)]

    def unformed(self) -> list[int]:
        return list(self.chunk.unformed_ordinals())

    def unsent(self) -> list[int]:
        """Open messages that are not in flight and never may have left."""
        return list(self.chunk.unposted_ordinals())

    def intend(self, requests: Sequence[OpenRequest], *, places: int, now: float) -> Decision:
        before = tuple(one for one in requests if one in self.chunk.requests)
        posting = tuple(one.posted(at=now) for one in requests)
        ordinals = tuple(ordinal for one in requests for ordinal in one.ordinals)
        change = Change(dropped=before, formed=posting)
        decision = self._decide(change, Move(ordinals, _QUEUED, _SENDING), starts=places)
        decision.posting, decision.undo = posting, Change(dropped=posting, formed=before)
        return decision

    def accepted(self, requests: Sequence[OpenRequest]) -> Decision:
        return self._end(requests, MessageState.ACCEPTED, health="", says=EntryKind.SENT)

    def failed(self, request: OpenRequest, answer: Answer, *, again_at: float) -> Decision:
        """What a worker makes of an answer that is not ACCEPTED."""
        health = answer.health
        at_most_once = self.claim.guarantee is DeliveryGuarantee.AT_MOST_ONCE
        if answer is Answer.LATER:
            later = replace(request, posting=False, not_before=again_at)
            return self._keep(request, later, health=health)
        if answer is Answer.HALVE and len(request.ordinals) > 1:
            return self._keep(request, *_halves(request), health=health)
        if answer is Answer.LOST and not at_most_once:
            again = replace(request, posting=False, doubtful=True, not_before=again_at)
            return self._keep(request, again, health=health)
        if answer is Answer.LOST or request.doubtful:
            return self._end([request], MessageState.UNKNOWN, health=health)
        return self._end([request], MessageState.REJECTED, health=health, says=EntryKind.FAILED)

    def leave_out(self, ordinals: Sequence[int], state: MessageState) -> Iterator[Decision]:
        """What is not sent after all; the requests that it was in are formed anew."""
        gone = set(ordinals)
        dropped = [r for r in self._waiting() if not r.doubtful and gone.intersection(r.ordinals)]
        if dropped:
            yield self._decide(Change(dropped=tuple(dropped)))
        move = Move(tuple(ordinals), _QUEUED, state, "BY_A_WORKER")
        yield self._decide(Change(settled=tuple(ordinals)), move)

    def forget(self, ordinals: Iterable[int]) -> Decision:
        return self._decide(Change(settled=tuple(ordinals)))

    def stumble(self) -> Decision:
        """It finds that the ESP fails, and no more."""
        return self._decide(Change(), health="it fails")

    def release(self) -> Decision:
        return self._decide(Change(released=True))

    def _waiting(self) -> list[OpenRequest]:
        return [request for request in self.chunk.requests if not request.posting]

    def _keep(self, request: OpenRequest, *later: OpenRequest, health: str) -> Decision:
        move = Move(request.ordinals, _SENDING, _QUEUED)
        return self._decide(Change(dropped=(request,), formed=later), move, health=health)

    def _end(
        self,
        requests: Sequence[OpenRequest],
        state: MessageState,
        *,
        health: str,
        says: EntryKind | None = None,
    ) -> Decision:
        ordinals = tuple(ordinal for request in requests for ordinal in request.ordinals)
        change = Change(dropped=tuple(requests), settled=ordinals)
        move = Move(ordinals, _SENDING, state, "BY_AN_ANSWER")
        entries = () if says is None else (self._entry(says, ordinals),)
        return self._decide(change, move, entries=entries, health=health)

    def _decide(
        self,
        change: Change,
        *moves: Move,
        entries: tuple[LogEntry, ...] = (),
        starts: int | None = None,
        health: str | None = None,
    ) -> Decision:
        key = self.chunk.key
        self.chunk = self.chunk.apply(change)
        step = Step(
            key=key, change=change, starts=starts, health=health, moves=moves, entries=entries
        )
        return Decision(self, step)

    def _entry(self, kind: EntryKind, ordinals: tuple[int, ...]) -> LogEntry:
        return LogEntry(
            kind=kind,
            provider="acme",
            number=self.chunk.campaign_number,
            ordinals=ordinals,
            occurred_at=1.0,
            received_at=1.0,
        )


@dataclass(slots=True, eq=False)
class Worker(Brief):
    """A process with its leases, and the steps that it has decided on and not recorded."""

    name: str
    runs: list[Run] = field(default_factory=list)
    journal: list[Decision] = field(default_factory=list)

    def __repr__(self) -> str:
        return self.name

    def flights(self) -> list[Flight]:
        return [flight for run in self.runs for flight in run.flights]

    def idle(self) -> list[Run]:
        """Runs that wait for nothing."""
        asking = [decision.run for decision in self.journal if decision.posting]
        return [run for run in self.runs if not run.flights and run not in asking]

    def learn(self, decision: Decision, recorded: Recorded) -> None:
        """What follows in the worker's memory from what became of a step."""
        run = decision.run
        if recorded is not Recorded.STORED:
            run.chunk = run.chunk.apply(decision.undo)
        run.stopped |= recorded is Recorded.REFUSED
        if recorded is Recorded.TOO_LATE and not run.flights and run in self.runs:
            self.runs.remove(run)


def _halves(request: OpenRequest) -> Iterator[OpenRequest]:
    middle = (len(request.ordinals) + 1) // 2
    for ordinals in (request.ordinals[:middle], request.ordinals[middle:]):
        yield replace(request, ordinals=ordinals, attempts=0, first_attempt_at=None, posting=False)
