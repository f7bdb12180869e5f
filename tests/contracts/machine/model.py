"""What a queue must have stored after any interleaving, and what its ESP has truly taken.

The promises of delivery are asserted of this model, and that the queue is as the model is by the
machine: so both hold of the queue.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from domain.campaign import CampaignState, DeliveryGuarantee
from domain.circuit import CLOSED, Circuit, CircuitState
from domain.message import MessageState
from services.ports import Claim, Recorded, Step
from tests.contracts.machine.expected import (
    ACCEPTED,
    CANCELLED,
    OF_WORKERS,
    QUEUED,
    SENDING,
    UNKNOWN,
    ExpectedCampaign,
    ExpectedChunk,
)

# The states that deny that the ESP has the message.
_DENIALS = frozenset(
    {MessageState.REJECTED, MessageState.SUPPRESSED, MessageState.EXPIRED, CANCELLED}
)


@dataclass(slots=True)
class Model:
    """The campaigns of one provider by number, and what its ESP took of each.

    `taken` counts by campaign, ordinal and how often an operator had sent it again until then.
    """

    campaigns: dict[int, ExpectedCampaign] = field(default_factory=dict)
    taken: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    paused_until: float = 0.0
    circuit: Circuit = CLOSED

    def chunks(self) -> Iterator[tuple[ExpectedCampaign, int, ExpectedChunk]]:
        for campaign in self.campaigns.values():
            for number, chunk in campaign.chunks.items():
                yield campaign, number, chunk

    def in_flight(self) -> int:
        return sum(len(chunk.flying()) for _, _, chunk in self.chunks())

    def record(self, steps: Sequence[Step], *, now: float) -> list[Recorded]:
        """What must become of the steps of one transaction."""
        recorded = [self._record(step, now) for step in steps]
        for step, became in zip(steps, recorded, strict=True):
            if became is Recorded.STORED and step.change.released:
                campaign = self.campaigns[step.key.campaign_number]
                campaign.let_go(campaign.chunks[step.key.number])
        return recorded

    def _record(self, step: Step, now: float) -> Recorded:
        campaign = self.campaigns[step.key.campaign_number]
        chunk = campaign.chunks[step.key.number]
        if not chunk.worker or chunk.epoch != step.key.epoch:
            return Recorded.TOO_LATE
        if step.starts is not None:
            circuit = self.circuit.state(now)
            if campaign.state is not CampaignState.SENDING or circuit is CircuitState.OPEN:
                return Recorded.REFUSED
            most = 1 if circuit is CircuitState.PROBING else step.starts
            if self.in_flight() + len(step.change.formed) > most:
                return Recorded.FULL
        if step.health is not None:
            failed = self.circuit.after_failure(step.health, now=now)
            self.circuit = failed if step.health else CLOSED
        campaign.take(step)
        return Recorded.STORED

    def due(self, now: float) -> set[tuple[int, int]]:
        if self.paused_until > now or self.circuit.state(now) is CircuitState.OPEN:
            return set()
        return {
            (campaign.number, number)
            for campaign, number, chunk in self.chunks()
            if campaign.state is CampaignState.SENDING and chunk.is_due(now)
        }

    def claimed(self, claim: Claim, worker: str, *, until: float) -> None:
        """A claim must bring the chunk as it is, under an epoch that nobody had before."""
        campaign = self.campaigns[claim.chunk.campaign_number]
        chunk = campaign.chunks[claim.chunk.number]
        assert not chunk.worker
        assert claim.chunk.epoch > chunk.epoch
        assert set(claim.chunk.open_ordinals()) == chunk.open
        # As it was: the same messages, version and omissions, so that a repeat is byte-identical.
        assert {r.ordinals[0]: r for r in claim.chunk.requests} == chunk.requests
        assert claim.settled == chunk.open - set(campaign.in_state(*OF_WORKERS))
        chunk.epoch, chunk.worker, chunk.lease_until = claim.chunk.epoch, worker, until

    def renewed(self, worker: str, *, until: float) -> None:
        for _, _, chunk in self.chunks():
            if chunk.worker == worker:
                chunk.lease_until = until

    def recovered(self, now: float) -> int:
        """Takes back what is over; how many there were."""
        over = [
            (campaign, chunk)
            for campaign, _, chunk in self.chunks()
            if chunk.worker and chunk.lease_until < now
        ]
        for campaign, chunk in over:
            campaign.abandon(chunk)
        return len(over)

    def start_due(self, now: float) -> int:
        due = [
            campaign
            for campaign in self.campaigns.values()
            if campaign.state is CampaignState.SCHEDULED and (campaign.send_at or 0.0) <= now
        ]
        for campaign in due:
            campaign.enter(CampaignState.SENDING)
        return len(due)

    def keeps_its_promises(self) -> None:
        for campaign in self.campaigns.values():
            self._counts_on_the_esp(campaign)
            ended = campaign.state.ended
            if campaign.state is CampaignState.COMPLETED or (ended and not campaign.is_held()):
                assert not campaign.in_state(QUEUED, SENDING), f"{campaign} ended too early"
            assert campaign.had_intent.issuperset(campaign.in_state(UNKNOWN, ACCEPTED))
            assert all(times == 1 for times in campaign.sent.values())
        for (number, ordinal, _), times in self.taken.items():
            is_once = self.campaigns[number].guarantee is DeliveryGuarantee.AT_MOST_ONCE
            assert times == 1 or not is_once, f"{ordinal} was taken {times} times"

    def _counts_on_the_esp(self, campaign: ExpectedCampaign) -> None:
        """Compares what is said of each message with what the ESP took."""
        doubtful = {
            ordinal
            for chunk in campaign.chunks.values()
            for request in chunk.requests.values()
            if request.may_have_left
            for ordinal in request.ordinals
        }
        for ordinal in campaign.had_intent:
            state = campaign.messages[ordinal]
            taken = self.taken[campaign.number, ordinal, campaign.resends[ordinal]]
            if state is ACCEPTED:
                assert taken, f"{ordinal} is called accepted, and was not"
            elif taken and ordinal not in campaign.abandoned:
                assert state not in _DENIALS, f"{ordinal} was taken, and is {state}"
                assert state is not QUEUED or ordinal in doubtful, f"{ordinal} is taken, forgotten"
