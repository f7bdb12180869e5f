"""The work queue in memory."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from domain.ahead import furthest
from domain.campaign import CampaignState, DeliveryGuarantee
from domain.chunk import LONGEST_LEASE_SECONDS, Chunk, ChunkState
from domain.circuit import CLOSED, CircuitState
from domain.message import MessageState
from services.ports import Claim, Move, Recorded, Step
from tests.fakes.store import Store, StoredProvider
from tests.fakes.stored_campaign import StoredCampaign, StoredChunk

# Up to so many recipients a campaign is a small one.
_SMALL_CAMPAIGN = 100


class FakeWorkQueue:
    """WorkQueue in memory.

    A move of a worker that does not start where its message is is a fault of the program, and an
    AssertionError here.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def claim(
        self,
        worker: str,
        *,
        limit: int,
        lease_seconds: float,
        small_only: bool = False,
        busy: Collection[int] = (),
    ) -> Sequence[Claim]:
        claims: list[Claim] = []
        async with self._store.transaction():
            while len(claims) < limit and (found := self._next_due(small_only, busy)) is not None:
                claims.append(self._lease(*found, worker, lease_seconds))
        return claims

    async def renew(self, worker: str, *, lease_seconds: float) -> None:
        async with self._store.transaction():
            until = self._store.clock.now() + lease_seconds
            for _, held in self._held():
                if held.worker == worker:
                    held.lease_until = until

    async def record(self, steps: Sequence[Step]) -> Sequence[Recorded]:
        async with self._store.transaction():
            recorded = [self._record(step) for step in steps]
            for key in {step.key[:2]: None for step in steps}:
                campaign = self._store.campaigns[key[0]]
                campaign.let_go(campaign.chunks[key[1]].chunk, now=self._store.clock.now())
            return recorded

    async def recover(self) -> int:
        async with self._store.transaction():
            now = self._store.clock.now()
            for _, held in self._held():
                if held.lease_until > furthest(now, LONGEST_LEASE_SECONDS):
                    held.lease_until = now + LONGEST_LEASE_SECONDS
            over = [found for found in self._held() if found[1].lease_until < now]
            for campaign, held in over:
                self._take_back(campaign, held)
        return len(over)

    async def start_due(self) -> int:
        async with self._store.transaction():
            now = self._store.clock.now()
            due = [one for one in self._accepted(CampaignState.SCHEDULED) if _has_come(one, now)]
            for one in due:
                one.enter(CampaignState.SENDING, "", now=now)
        return len(due)

    async def wait(self, *, timeout_seconds: float) -> None:
        await self._store.wait(
            lambda: self._next_due() is not None, timeout_seconds=timeout_seconds
        )

    def _accepted(self, state: CampaignState) -> list[StoredCampaign]:
        return [
            one
            for one in self._store.campaigns.values()
            if one.fingerprint is not None and one.state is state
        ]

    def _held(self) -> list[tuple[StoredCampaign, StoredChunk]]:
        return [
            (one, held)
            for one in self._store.campaigns.values()
            for held in one.chunks.values()
            if held.is_held
        ]

    def _next_due(
        self, small_only: bool = False, busy: Collection[int] = ()
    ) -> tuple[StoredCampaign, StoredChunk] | None:
        now = self._store.clock.now()
        for campaign in sorted(self._accepted(CampaignState.SENDING), key=_turn):
            passed_over = small_only or campaign.campaign.provider_id in busy
            if passed_over and _is_large(campaign):
                continue
            if self._provider_of(campaign).is_held(now):
                continue
            for held in campaign.chunks.values():
                if held.is_due(now):
                    return campaign, held
        return None

    def _provider_of(self, campaign: StoredCampaign) -> StoredProvider:
        return self._store.providers[campaign.campaign.provider_id]

    def _lease(
        self, campaign: StoredCampaign, held: StoredChunk, worker: str, lease_seconds: float
    ) -> Claim:
        held.lease(worker, until=self._store.clock.now() + lease_seconds)
        campaign.turn = 1 + max(one.turn for one in self._store.campaigns.values())
        return _claim(campaign, held.chunk)

    def _take_back(self, campaign: StoredCampaign, held: StoredChunk) -> None:
        """Settles what the worker that is gone left in flight, and lets others have the rest."""
        chunk, guarantee = held.chunk, campaign.campaign.spec.guarantee
        after, lost = chunk.abandoned(guarantee)
        flying = tuple(o for r in chunk.requests if r.posting for o in r.ordinals)
        if guarantee is DeliveryGuarantee.AT_MOST_ONCE:
            move = Move(lost, MessageState.SENDING, MessageState.UNKNOWN, "ANSWER_LOST")
        else:
            move = Move(flying, MessageState.SENDING, MessageState.QUEUED)
        self._move(campaign, move)
        held.take_back(after)
        campaign.let_go(after, now=self._store.clock.now())

    def _move(self, campaign: StoredCampaign, move: Move) -> None:
        if move.new is MessageState.UNKNOWN:
            # No answer came, and a callback has proved that the ESP took them.
            proved = [ordinal for ordinal in move.ordinals if campaign.is_settled(ordinal)]
            self._store.say_sent(campaign, proved)
        campaign.move(move, now=self._store.clock.now())

    def _objection(self, campaign: StoredCampaign, starting: int, places: int) -> Recorded | None:
        provider, now = self._provider_of(campaign).provider, self._store.clock.now()
        state = provider.circuit.state(now)
        if campaign.state is not CampaignState.SENDING or state is CircuitState.OPEN:
            return Recorded.REFUSED
        most = 1 if state is CircuitState.PROBING else places
        return Recorded.FULL if self._in_flight(provider.provider_id) + starting > most else None

    def _learn(self, campaign: StoredCampaign, health: str) -> None:
        stored, now = self._provider_of(campaign), self._store.clock.now()
        circuit = stored.provider.circuit.after_failure(health, now=now) if health else CLOSED
        stored.provider = replace(stored.provider, circuit=circuit)

    def _in_flight(self, provider_id: int) -> int:
        return sum(
            request.posting
            for one in self._store.campaigns.values()
            for held in one.chunks.values()
            for request in held.chunk.requests
            if one.campaign.provider_id == provider_id
        )

    def _record(self, step: Step) -> Recorded:
        key = step.key
        campaign = self._store.campaigns[key.campaign_number]
        held = campaign.chunks[key.number]
        if held.chunk.epoch != key.epoch or held.chunk.state is ChunkState.DONE:
            return Recorded.TOO_LATE
        if step.starts is not None:
            objection = self._objection(campaign, len(step.change.formed), step.starts)
            if objection is not None:
                return objection
        if step.health is not None:
            self._learn(campaign, step.health)
        held.chunk = held.chunk.apply(step.change)
        for move in step.moves:
            self._move(campaign, move)
        for entry in step.entries:
            self._store.append(campaign.campaign.provider_id, entry)
        for said in step.esp_messages:
            self._store.call(campaign.campaign.provider_id, said)
        return Recorded.STORED


def _turn(campaign: StoredCampaign) -> tuple[bool, int, int]:
    """Small ones first, then the one that waits longest."""
    return _is_large(campaign), campaign.turn, campaign.campaign.number


def _is_large(campaign: StoredCampaign) -> bool:
    return len(campaign.messages) > _SMALL_CAMPAIGN


def _has_come(campaign: StoredCampaign, now: float) -> bool:
    send_at = campaign.campaign.spec.send_at
    return send_at is not None and send_at <= now


def _claim(campaign: StoredCampaign, chunk: Chunk) -> Claim:
    spec = campaign.campaign.spec
    everyone = range(chunk.first, chunk.first + chunk.size)
    return Claim(
        chunk=chunk,
        provider_id=campaign.campaign.provider_id,
        guarantee=spec.guarantee,
        content=spec.content,
        send_before=spec.send_before,
        recipients=[campaign.messages[ordinal].recipient for ordinal in everyone],
        settled=frozenset(filter(campaign.is_settled, chunk.open_ordinals())),
        is_small=not _is_large(campaign),
    )
