"""A provider, its campaigns, a worker that does as a test says, and an ESP that reports."""

from dataclasses import dataclass

from domain.callback import Attributed, CallbackEvent, CallbackType
from domain.campaign import CampaignSpec, CampaignState, Content, DeliveryGuarantee, Recipient
from domain.chunk import CHUNK_SIZE, Change, OpenRequest
from domain.events import EntryKind, LogEntry
from domain.message import MessageState
from domain.message_id import MessageKind, MessageRef
from domain.provider import Provider
from services.ports import Claim, Move, Recorded, Step
from tests.contracts.ports import Ports
from tests.domain.provider_samples import POST

QUEUED, SENDING, ACCEPTED = MessageState.QUEUED, MessageState.SENDING, MessageState.ACCEPTED
CONTENT = Content(subject="s")
LEASE = 10.0
PLACES = 64


@dataclass(slots=True, kw_only=True)
class Bench:
    """Ports with one provider, called acme."""

    ports: Ports
    provider: Provider
    _sends: int = 0

    @classmethod
    async def on(cls, ports: Ports) -> "Bench":
        provider, _ = await ports.providers.configure("acme", lambda _: POST)
        return cls(ports=ports, provider=provider)

    async def campaign(
        self,
        people: int = 3,
        *,
        guarantee: DeliveryGuarantee = DeliveryGuarantee.AT_MOST_ONCE,
        send_at: float | None = None,
        content: Content = CONTENT,
    ) -> int:
        """An accepted campaign to p0@example.com, p1@example.com and so on."""
        self._sends += 1
        spec = CampaignSpec(
            request_id=f"r-{self._sends}",
            provider="acme",
            content=content,
            guarantee=guarantee,
            send_at=send_at,
        )
        campaigns = self.ports.campaigns
        number = await campaigns.begin(spec, self.provider.provider_id)
        everyone = [Recipient(f"p{i}@example.com") for i in range(people)]
        for chunk, first in enumerate(range(0, people, CHUNK_SIZE)):
            await campaigns.stage(number, chunk, everyone[first : first + CHUNK_SIZE])
        await campaigns.accept(number, fingerprint=b"f")
        return number

    async def claim(self, worker: str = "w", limit: int = 1) -> list[Claim]:
        return list(await self.ports.queue.claim(worker, limit=limit, lease_seconds=LEASE))

    async def record(self, *steps: Step) -> list[bool]:
        """Whether each of them was stored."""
        return [one is Recorded.STORED for one in await self.ports.queue.record(steps)]

    async def worker_dies(self) -> int:
        """Its leases end and what it held is taken back."""
        self.ports.clock.advance(LEASE + 1)
        return await self.ports.queue.recover()

    async def counts(self, number: int) -> dict[MessageState, int]:
        counts = (await self.ports.campaigns.get(number)).counts
        return {state: n for state, n in counts.items() if n}

    async def states(self, number: int) -> list[MessageState]:
        rows, _ = await self.ports.campaigns.messages(number, after=-1, limit=10_000)
        return [row.state for row in rows]

    async def state(self, number: int) -> CampaignState:
        return (await self.ports.campaigns.get(number)).state

    async def put(self, number: int, state: CampaignState) -> None:
        await self.ports.campaigns.change_state(number, lambda _: (state, "by a test"))

    async def sent(self, people: int = 3, *, content: Content = CONTENT) -> int:
        """A campaign that the ESP took whole."""
        number = await self.campaign(people, content=content)
        (claim,) = await self.claim()
        step, request = posting(claim, *range(people))
        await self.record(step, accepted(step, request))
        return number

    async def lost(self, people: int) -> int:
        """A campaign whose worker died before it knew what the ESP did."""
        number = await self.campaign(people)
        (claim,) = await self.claim("gone")
        step, _ = posting(claim, *range(people))
        await self.record(step)
        await self.worker_dies()
        return number

    async def say(
        self,
        number: int,
        ordinal: int,
        type: CallbackType,
        *,
        email: str = "reported@example.com",
        kind: MessageKind = MessageKind.CAMPAIGN,
    ) -> None:
        """A callback about one message; the same again is a repeat."""
        item = event(ordinal, number=number, kind=kind, type=type, email=email)
        await self.ports.log.record_callbacks(
            self.provider, [item], (), received_at=self.ports.clock.now()
        )

    async def fold(self) -> None:
        """All of the log, with what is added to it by folding."""
        while await self.ports.log.fold(limit=1000):
            pass


def posting(claim: Claim, *ordinals: int) -> tuple[Step, OpenRequest]:
    """The step that makes the intent for these messages durable."""
    request = OpenRequest(ordinals=ordinals, provider_version=1, posting=True, attempts=1)
    move = Move(ordinals, QUEUED, SENDING)
    step = Step(key=claim.chunk.key, change=Change(formed=(request,)), starts=PLACES, moves=(move,))
    return step, request


def accepted(step: Step, request: OpenRequest) -> Step:
    """The step that ends a request which the ESP took, and lets go of the chunk."""
    ordinals = request.ordinals
    entry = LogEntry(
        kind=EntryKind.SENT,
        provider="acme",
        number=step.key.campaign_number,
        ordinals=ordinals,
        occurred_at=1.0,
        received_at=1.0,
    )
    change = Change(dropped=(request,), settled=ordinals, released=True)
    moves = (Move(ordinals, SENDING, ACCEPTED),)
    return Step(key=step.key, change=change, moves=moves, entries=(entry,))


def event(
    ordinal: int,
    *,
    number: int = 1,
    kind: MessageKind = MessageKind.CAMPAIGN,
    type: CallbackType = CallbackType.DELIVERED,
    email: str = "reported@example.com",
    digest: int | None = None,
    occurred_at: float = 5.0,
) -> Attributed:
    """An event of one message; without a digest it is one with all of its type."""
    said = CallbackEvent(
        type=type.value,
        email=email,
        meta="m",
        description="said",
        timestamp=None,
        list_name="failed",
        raw={"type": type.value},
    )
    return Attributed(
        event=said,
        type=type,
        message=MessageRef(kind, number, ordinal),
        occurred_at=occurred_at,
        digest=list(CallbackType).index(type) if digest is None else digest,
    )
