"""What a dispatch runs in: ports in memory, asserted by their end state."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from domain.callback import CallbackType
from domain.campaign import CampaignSpec, Content, DeliveryGuarantee, Recipient
from domain.chunk import Chunk, ChunkState
from domain.events import START, LogEntry
from domain.http import HttpRequest, HttpResponse
from domain.message import MessageState
from domain.message_id import MessageIds
from domain.provider import Batch, Limits, Provider, ProviderConfig, RequestType
from domain.suppression import Suppression, SuppressionReason
from services.dispatch import DispatchChunk
from services.dispatcher import Dispatch, Dispatcher
from services.flight import Flight
from services.journal import Journal
from services.places import Places
from services.ports import Campaign, Claim, Transport
from services.renderers import Renderers
from services.settle_request import SettleRequest
from tests.adapters.fake_transport import ACCEPTED as ANSWER_ACCEPTED
from tests.adapters.fake_transport import FakeTransport
from tests.contracts.bench import event
from tests.contracts.ports import Ports, over_fake
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store

BATCHED = '{"msgs": [{"to": "$$To", "mid": "$$MessageID", "subject": "$$Subject", "cc": "$$cc"}]}'
SINGLE = '{"to": "$$To", "mid": "$$MessageID", "subject": "$$Subject", "cc": "$$cc"}'
IDS = MessageIds(b"k" * 32)
LIMITS = Limits(max_in_flight=4, timeout_seconds=0.2)
CONTENT = Content(subject="Hello $$name", from_address="a@example.com")
LEASE = 60.0


def provider_config(*, batch: int | None = None, limits: Limits = LIMITS) -> ProviderConfig:
    return ProviderConfig(
        nickname="acme",
        request_type=RequestType.POST,
        http_endpoint="https://api.example.com/send",
        parameters=SINGLE if batch is None else BATCHED,
        batch=None if batch is None else Batch(max_messages=batch),
        limits=limits,
    )


def dispatch_over(ports: Ports, transport: Transport) -> DispatchChunk:
    """The use case over these ports, with jitter that is always half of what it may be."""
    settle = SettleRequest(
        providers=ports.providers,
        campaigns=ports.campaigns,
        clock=ports.clock,
        chance=lambda: 0.5,
    )
    places = Places()
    return DispatchChunk(
        journal=Journal(ports.queue),
        providers=ports.providers,
        suppressions=ports.suppressions,
        limiter=ports.limiter,
        places=places,
        renderers=Renderers(IDS),
        flights=partial(
            Flight,
            transport=transport,
            message_ids=IDS,
            places=places,
            settle=settle,
            clock=ports.clock,
        ),
        clock=ports.clock,
    )


def worker_over(ports: Ports, dispatch: Dispatch) -> Dispatcher:
    """One worker, called w, that sends what it claims by `dispatch`."""
    return Dispatcher(
        name="w",
        queue=ports.queue,
        campaigns=ports.campaigns,
        dispatch=dispatch,
        clock=ports.clock,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One campaign of one chunk, an ESP, and a worker that `dispatch` lets run once."""

    store: Store
    ports: Ports
    transport: FakeTransport
    number: int
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def clock(self) -> FakeClock:
        return self.store.clock

    @property
    def chunk(self) -> Chunk:
        """The chunk as it is stored."""
        return self.store.campaigns[self.number].chunks[0].chunk

    async def claim(self) -> Claim:
        (claim,) = await self.ports.queue.claim("w", limit=2, lease_seconds=LEASE)
        return claim

    async def dispatch(self, claim: Claim | None = None) -> None:
        """Sends what is due of the chunk, by a claim of now where none is given."""
        claim = await self.claim() if claim is None else claim
        await dispatch_over(self.ports, self.transport)(claim, self.stopping)

    async def campaign(self) -> Campaign:
        return await self.ports.campaigns.get(self.number)

    async def provider(self) -> Provider:
        return await self.ports.providers.get("acme")

    async def states(self) -> dict[MessageState, int]:
        """How many messages are in each state that any is in."""
        counts = (await self.campaign()).counts
        return {state: n for state, n in counts.items() if n}

    async def reasons(self) -> set[str]:
        rows, _ = await self.ports.campaigns.messages(self.number, after=-1, limit=1000)
        return {row.reason for row in rows if row.reason}

    async def entries(self) -> list[LogEntry]:
        return list(await self.ports.log.read(after=START, limit=1000))

    def keys(self) -> list[str]:
        """The Idempotency-Key of each request that reached the ESP."""
        return [dict(r.headers)["Idempotency-Key"] for r in self.transport.requests]

    async def suppress(self, *keys: str) -> None:
        manual = SuppressionReason.MANUAL
        found = [Suppression(email=key, key=key, reason=manual, created_at=0.0) for key in keys]
        await self.ports.suppressions.add(found)

    async def report(self, ordinal: int, type: CallbackType) -> None:
        """The ESP speaks of a message, and it is folded."""
        said = event(ordinal, number=self.number, type=type)
        provider, now = await self.provider(), self.clock.now()
        await self.ports.log.record_callbacks(provider, [said], (), received_at=now)
        await self.ports.log.fold(limit=10)

    async def move_endpoint(self, url: str) -> None:
        def change(provider: Provider | None) -> ProviderConfig:
            assert provider is not None
            return replace(provider.config, http_endpoint=url)

        await self.ports.providers.configure("acme", change)


async def open_world(
    people: int,
    *,
    batch: int | None = None,
    guarantee: DeliveryGuarantee = DeliveryGuarantee.AT_MOST_ONCE,
    limits: Limits = LIMITS,
    answer: Callable[[HttpRequest], HttpResponse] | None = None,
    content: Content = CONTENT,
    send_before: float | None = None,
    seconds_per_answer: float = 0.0,
) -> World:
    """A campaign to p0@example.com, p1@example.com and so on, at the time 1000."""
    store = Store(FakeClock(1000.0))
    ports = over_fake(store)
    config = provider_config(batch=batch, limits=limits)
    provider, _ = await ports.providers.configure("acme", lambda _: config)
    spec = CampaignSpec(
        request_id="r",
        provider="acme",
        content=content,
        guarantee=guarantee,
        send_before=send_before,
    )
    number = await ports.campaigns.begin(spec, provider.provider_id)
    everyone = [Recipient(f"p{i}@example.com", f"P{i}") for i in range(people)]
    await ports.campaigns.stage(number, 0, everyone)
    await ports.campaigns.accept(number, fingerprint=b"")

    def after_a_while(request: HttpRequest) -> HttpResponse:
        store.clock.advance(seconds_per_answer)
        return ANSWER_ACCEPTED if answer is None else answer(request)

    transport = FakeTransport(after_a_while)
    return World(store=store, ports=ports, transport=transport, number=number)


def is_done(world: World) -> bool:
    return world.chunk.state is ChunkState.DONE
