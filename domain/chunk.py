"""The chunk: up to 1,000 recipients of a campaign, the unit that a worker leases.

    PLANNED ─▶ READY ─claim, epoch+1─▶ CLAIMED ─intent─▶ POSTING ─outcomes─▶ DONE
                 ▲                        │                 │
                 ├────── lease over ──────┘                 │
                 └────── released with open messages ───────┘

A message of a chunk is *open* until its outcome is durable. An open message may belong to a
*request*: once a request was formed it is repeated as it was, so that its Idempotency-Key and its
bytes repeat too. A request whose intent is durable and whose outcome is not is `posting`; when its
worker is gone, it is in doubt.

Everything here is a function of its arguments: the adapters store a chunk, they do not think.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

from domain.ahead import is_ahead
from domain.campaign import DeliveryGuarantee
from domain.message import MessageState
from domain.retry import LONGEST_BACKOFF_SECONDS

# The largest batch that any ESP of the field takes is 1,000; a chunk is never less than a batch.
CHUNK_SIZE = 1000
# Several times what a worker asks for between two renewals.
LONGEST_LEASE_SECONDS = 60.0


class ChunkState(IntEnum):
    PLANNED = 0
    READY = 1
    CLAIMED = 2
    POSTING = 3
    DONE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """A request that was formed and has no final outcome.

    `ordinals` are the campaign-wide numbers of its messages, in the order of the body.
    `provider_version` is the configuration that it was rendered with and `omitted` the cc and bcc
    addresses left out of it: with both, a repeat is byte-identical. `attempts` counts the times it
    was posted; `not_before` (epoch seconds) is when it may be posted again. `posting` says that it
    is in flight. `doubtful` stays set once an attempt's answer was lost: whatever later attempts
    say, the ESP may have taken it. `predecessors` counts the requests of which the ESP has answered
    with a 2xx that it takes these messages later: an ESP may keep such an answer for their keys.
    """

    ordinals: tuple[int, ...]
    provider_version: int
    omitted: tuple[str, ...] = ()
    attempts: int = 0
    first_attempt_at: float | None = None
    not_before: float = 0.0
    posting: bool = False
    doubtful: bool = False
    predecessors: int = 0

    @property
    def may_have_left(self) -> bool:
        return self.posting or self.doubtful

    def is_due(self, now: float) -> bool:
        return not is_ahead(self.not_before, now=now, longest=LONGEST_BACKOFF_SECONDS)

    def posted(self, *, at: float) -> "OpenRequest":
        """The request on its way, for the first time or once more."""
        # Made for every message of some campaigns: `replace` takes three times as long.
        return OpenRequest(
            ordinals=self.ordinals,
            provider_version=self.provider_version,
            omitted=self.omitted,
            attempts=self.attempts + 1,
            first_attempt_at=at if self.first_attempt_at is None else self.first_attempt_at,
            not_before=self.not_before,
            posting=True,
            doubtful=self.doubtful,
            predecessors=self.predecessors,
        )


class ChunkKey(NamedTuple):
    """One lease of one chunk: whoever holds an earlier epoch comes too late."""

    campaign_number: int
    number: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a worker does to its chunk in one step.

    `dropped` requests are those that were formed before and have come to an end, or take another
    form: their successors are in `formed`. `settled` messages have a durable outcome. `released`
    says that the worker lets go of the chunk.
    """

    dropped: tuple[OpenRequest, ...] = ()
    formed: tuple[OpenRequest, ...] = ()
    settled: tuple[int, ...] = ()
    released: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Where one chunk stands. `first` is the ordinal of its first recipient, `size` their number.

    `open` is a bit set: bit *i* is set while message `first + i` has no durable outcome.
    """

    campaign_number: int
    number: int
    size: int
    state: ChunkState
    epoch: int = 0
    open: int = 0
    requests: tuple[OpenRequest, ...] = ()

    @property
    def key(self) -> ChunkKey:
        return ChunkKey(self.campaign_number, self.number, self.epoch)

    @property
    def first(self) -> int:
        return self.number * CHUNK_SIZE

    def open_ordinals(self) -> Iterable[int]:
        """The ordinals without an outcome, ascending."""
        return ordinals_of(self.open, self.first)

    def unformed_ordinals(self) -> Iterable[int]:
        """The open ordinals that no request has been formed for, ascending."""
        return ordinals_of(self._unformed(), self.first)

    def _unformed(self) -> int:
        formed = bits_of((o for r in self.requests for o in r.ordinals), self.first)
        return self.open & ~formed

    def unposted_ordinals(self) -> Iterable[int]:
        """The open ordinals that have certainly not reached the ESP, ascending."""
        posted = bits_of((o for r in self.in_doubt() for o in r.ordinals), self.first)
        return ordinals_of(self.open & ~posted, self.first)

    def in_doubt(self) -> tuple[OpenRequest, ...]:
        """The requests that may have reached the ESP without our knowing what became of them."""
        return tuple(r for r in self.requests if r.may_have_left)

    def states(
        self, ordinals: Iterable[int], own: Mapping[int, MessageState]
    ) -> dict[int, MessageState]:
        """Where these messages of the chunk stand, in their order.

        `own` are the states of those that something has been stored of apart from their chunk: that
        comes first. Then comes a request on its way, then whether the message is open.
        """
        flying = bits_of((o for r in self.requests if r.posting for o in r.ordinals), self.first)
        # Nobody sends what is open in a chunk that is done: its campaign was cancelled.
        done = self.state is ChunkState.DONE
        waiting = MessageState.CANCELLED if done else MessageState.QUEUED
        states: dict[int, MessageState] = {}
        for ordinal in ordinals:
            place = ordinal - self.first
            if ordinal in own:
                states[ordinal] = own[ordinal]
            elif flying >> place & 1:
                states[ordinal] = MessageState.SENDING
            else:
                states[ordinal] = waiting if self.open >> place & 1 else MessageState.ACCEPTED
        return states

    def apply(self, change: Change) -> "Chunk":
        """The chunk after a change. What is dropped and not there was dropped before."""
        gone = {request.ordinals[0] for request in change.dropped}
        kept = tuple(r for r in self.requests if r.ordinals[0] not in gone)
        chunk = replace(
            self,
            open=self.open & ~bits_of(change.settled, self.first),
            requests=(*kept, *change.formed),
        )
        if change.released:
            return chunk.release()
        flying = any(request.posting for request in chunk.requests)
        return replace(chunk, state=ChunkState.POSTING if flying else ChunkState.CLAIMED)

    def abandoned(self, guarantee: DeliveryGuarantee) -> tuple["Chunk", tuple[int, ...]]:
        """The chunk once its worker is gone, and the ordinals that are lost with it.

        What was in flight is lost under AT_MOST_ONCE, and repeated as it was under AT_LEAST_ONCE.
        """
        flying = tuple(r for r in self.requests if r.posting)
        lost: tuple[int, ...] = ()
        kept = tuple(r for r in self.requests if not r.posting)
        if guarantee is DeliveryGuarantee.AT_MOST_ONCE:
            lost = tuple(o for r in flying for o in r.ordinals)
        else:
            kept += tuple(replace(r, posting=False, doubtful=True) for r in flying)
        left = replace(self, open=self.open & ~bits_of(lost, self.first), requests=kept)
        return left.release(), lost

    def release(self) -> "Chunk":
        """The chunk without a worker: done, or ready for a later run."""
        done = self.open == 0
        return replace(self, state=ChunkState.DONE if done else ChunkState.READY)

    def is_due(self, now: float) -> bool:
        """Whether a run of this chunk has something to do now."""
        return not is_ahead(self.not_before(), now=now, longest=LONGEST_BACKOFF_SECONDS)

    def not_before(self) -> float:
        """When (epoch seconds) a later run of this chunk has something to do."""
        if self._unformed():
            return 0.0
        return min((r.not_before for r in self.requests), default=0.0)


def planned(campaign_number: int, number: int, size: int) -> Chunk:
    """A chunk that nothing has happened to, every message open."""
    return Chunk(
        campaign_number=campaign_number,
        number=number,
        size=size,
        state=ChunkState.PLANNED,
        open=(1 << size) - 1,
    )


def bits_of(ordinals: Iterable[int], first: int) -> int:
    """The set of these ordinals, each of which comes once, as bits from `first` on."""
    some = tuple(ordinals)
    if not some:
        return 0
    lowest, highest = min(some), max(some)
    if highest - lowest + 1 == len(some):
        # Neighbours, as in a batch: no bit by bit.
        return ((1 << len(some)) - 1) << (lowest - first)
    bits = 0
    for ordinal in some:
        bits |= 1 << (ordinal - first)
    return bits


def ordinals_of(bits: int, first: int) -> Iterable[int]:
    """The set of these bits as ordinals, ascending."""
    if not bits:
        return ()
    lowest = (bits & -bits).bit_length() - 1
    run = bits >> lowest
    if not run & (run + 1):
        # Neighbours, as in a chunk that nothing has happened to: no bit by bit.
        return range(first + lowest, first + lowest + run.bit_length())
    return [first + place for place, bit in enumerate(reversed(f"{bits:b}")) if bit == "1"]
