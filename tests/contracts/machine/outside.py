"""What comes from outside of the workers: campaigns, operators, the ESP's reports, and time."""

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from domain.callback import CallbackType
from domain.campaign import CampaignSpec, CampaignState, DeliveryGuarantee, Recipient
from domain.chunk import CHUNK_SIZE
from domain.errors import NotPossibleNow, TryLater
from domain.message import MessageState
from services.change_campaign import CancelCampaign, PauseCampaign, ResumeCampaign
from services.ports import Refused
from tests.contracts.bench import CONTENT, LEASE
from tests.contracts.machine.expected import UNKNOWN, ExpectedCampaign
from tests.contracts.machine.stage import UNENDED, Stage, among

# As many that have not ended as may get into each other's way.
_CAMPAIGNS = 3
_PEOPLE = st.integers(2, 7)
_GUARANTEES = st.sampled_from(DeliveryGuarantee)
_PAUSED = CampaignState.PAUSED
_GOING = (CampaignState.SCHEDULED, CampaignState.SENDING)


class Outside(Stage):
    """The rules of everybody but the workers."""

    @initialize(people=_PEOPLE, guarantee=_GUARANTEES)
    def accept_one(self, people: int, guarantee: DeliveryGuarantee) -> None:
        self.accept(people, None, guarantee, False)

    @precondition(lambda self: len(self.campaigns(*UNENDED)) < _CAMPAIGNS)
    @rule(
        people=_PEOPLE,
        before=st.none() | st.integers(0, 2),
        guarantee=_GUARANTEES,
        waits=st.sampled_from([False, False, False, True]),
    )
    def accept(
        self, people: int, before: int | None, guarantee: DeliveryGuarantee, waits: bool
    ) -> None:
        """With `before`, there is a chunk before the last that has so many messages to send."""
        spec = CampaignSpec(
            request_id=f"r{len(self.model.campaigns)}",
            provider="acme",
            content=CONTENT,
            guarantee=guarantee,
            send_at=self.now + 5 if waits else None,
        )
        sizes = [people] if before is None else [CHUNK_SIZE, people]
        unsent = range(0) if before is None else range(before, CHUNK_SIZE)
        number = self.do(self._accept(spec, sizes, unsent))
        self.model.campaigns[number] = ExpectedCampaign.of(
            sizes, unsent, number=number, guarantee=guarantee, send_at=spec.send_at
        )

    async def _accept(self, spec: CampaignSpec, sizes: Sequence[int], unsent: range) -> int:
        campaigns, repeat = self.ports.campaigns, MessageState.DUPLICATE
        number = await campaigns.begin(spec, self.bench.provider.provider_id)
        for chunk, size in enumerate(sizes):
            people = [Recipient(f"p{i}-{chunk}@example.com") for i in range(size)]
            await campaigns.stage(number, chunk, people)
        refused = [Refused(ordinal=o, state=repeat, reason="", message="") for o in unsent]
        await campaigns.refuse(number, refused)
        await campaigns.accept(number, fingerprint=b"f")
        return number

    @precondition(lambda self: self.held() or not self.due())
    @rule(seconds=st.sampled_from([1, 5, LEASE, LEASE + 1]))
    def time_passes(self, seconds: float) -> None:
        self.ports.clock.advance(seconds)
        assert self.do(self.queue.start_due()) == self.model.start_due(self.now)

    @precondition(lambda self: self.held())
    @rule(awake=st.integers(0, 3))
    def take_over(self, awake: int) -> None:
        """The workers that are awake renew their leases; others oversleep and do not know."""
        self.ports.clock.advance(LEASE)
        # In its last moment a lease is not over.
        self._recover()
        for i, worker in enumerate(self.workers):
            if awake >> i & 1:
                self.do(self.queue_of(worker).renew(worker.name, lease_seconds=LEASE))
                self.model.renewed(worker.name, until=self.now + LEASE)
        self.ports.clock.advance(1)
        self._recover()

    def _recover(self) -> None:
        assert self.do(self.queue.recover()) == self.model.recovered(self.now)

    # Once, like whatever stops everything: else hardly anything would go on.
    @precondition(lambda self: self.due() and not self.model.paused_until)
    @rule(seconds=st.sampled_from([1, 5]))
    def pause_provider(self, seconds: float) -> None:
        until = self.now + seconds
        provider_id = self.bench.provider.provider_id
        self.do(self.ports.providers.pause(provider_id, until=until, reason="busy"))
        self.model.paused_until = max(self.model.paused_until, until)

    @precondition(lambda self: self.held(*_GOING))
    @rule(campaign=among(lambda self: self.held(*_GOING)))
    def pause(self, campaign: ExpectedCampaign) -> None:
        self.do(PauseCampaign(self.ports.campaigns)(campaign.number))
        campaign.enter(_PAUSED)

    @precondition(lambda self: self.campaigns(_PAUSED))
    @rule(campaign=among(lambda self: self.campaigns(_PAUSED)))
    def resume(self, campaign: ExpectedCampaign) -> None:
        self.do(ResumeCampaign(self.ports.campaigns, self.ports.clock)(campaign.number))
        waits = campaign.send_at is not None and campaign.send_at > self.now
        campaign.enter(CampaignState.SCHEDULED if waits else CampaignState.SENDING)

    @precondition(lambda self: self.begun())
    @rule(campaign=among(lambda self: self.begun()))
    def cancel(self, campaign: ExpectedCampaign) -> None:
        self.do(CancelCampaign(self.ports.campaigns)(campaign.number))
        campaign.enter(CampaignState.CANCELLED)

    def begun(self) -> list[ExpectedCampaign]:
        """Those whose end would be in the way of somebody."""
        return [
            one
            for one in self.campaigns(*UNENDED)
            if one.had_intent and (one.is_held() or any(c.requests for c in one.chunks.values()))
        ]

    @precondition(lambda self: self.unknown())
    @rule(which=among(lambda self: self.unknown()), resend=st.booleans(), every=st.booleans())
    def resolve(self, which: tuple[ExpectedCampaign, int], resend: bool, every: bool) -> None:
        campaign, ordinal = which
        ordinals = campaign.in_state(UNKNOWN) if every else [ordinal]
        resolving = self.ports.campaigns.resolve_unknown(
            campaign.number, resend=resend, ordinals=None if every else ordinals
        )
        is_over = campaign.state.ended and campaign.state is not CampaignState.COMPLETED
        if resend and is_over:
            with pytest.raises(NotPossibleNow):
                self.do(resolving)
        elif resend and any(campaign.chunk_of(o).worker for o in ordinals):
            with pytest.raises(TryLater):
                self.do(resolving)
        else:
            assert self.do(resolving) == (len(ordinals), 0)
            campaign.resolve(ordinals, resend=resend)

    def unknown(self) -> list[tuple[ExpectedCampaign, int]]:
        return [(one, ordinal) for one in self.campaigns() for ordinal in one.in_state(UNKNOWN)]

    @precondition(lambda self: self.model.taken)
    @rule(
        taken=among(lambda self: list(self.model.taken)),
        type=st.sampled_from(CallbackType),
        folds=st.booleans(),
    )
    def report(self, taken: tuple[int, int, int], type: CallbackType, folds: bool) -> None:
        """An ESP speaks of what it took, and says the same thing twice at times."""
        number, ordinal, _ = taken
        self.do(self.bench.say(number, ordinal, type))
        if (number, ordinal, type) not in self.reported:
            self.reported.append((number, ordinal, type))
        if folds:
            self.fold()

    @precondition(lambda self: self.folded < len(self.reported))
    @rule()
    def fold(self) -> None:
        self.do(self.bench.fold())
        for number, ordinal, type in self.reported[self.folded :]:
            self.model.campaigns[number].report(ordinal, type)
        self.folded = len(self.reported)
