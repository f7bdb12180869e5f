"""What a dispatch runs in: ports in memory, asserted by their end state."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from domain.campaign import CampaignState, Content, DeliveryGuarantee, Recipient
from domain.chunk import Chunk, ChunkState, planned
from domain.events import LogEntry
from domain.http import HttpResponse
from domain.message import MessageState
from domain.message_id import MessageIds
from domain.provider import Batch, Limits, Provider, ProviderConfig, RequestType
from domain.suppression import Suppression, SuppressionReason
from services.dispatch import DispatchChunk
from services.journal import Journal
from services.ports import Claim, StateChange, Step
from services.post_request import PostRequest
from tests.adapters.fake_transport import FakeTransport

NUMBER = 7
BATCHED = '{"msgs": [{"to": "$$To", "mid": "$$MessageID", "subject": "$$Subject", "cc": "$$cc"}]}'
SINGLE = '{"to": "$$To", "mid": "$$MessageID", "subject": "$$Subject", "cc": "$$cc"}'
LIMITS = Limits(max_in_flight=4, timeout_seconds=0.2)
CONTENT = Content(subject="Hello $$name", from_address="a@example.com")


class Recorder:
    """Keeps the steps, and refuses them once `fence` was called."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.fenced = False

    async def record(self, steps: Sequence[Step]) -> list[bool]:
        await asyncio.sleep(0)
        if self.fenced:
            return [False] * len(steps)
        self.steps.extend(steps)
        return [True] * len(steps)


class World:
    """One claim of one campaign, and what came of dispatching it."""

    def __init__(
        self,
        people: int,
        *,
        batch: int | None = None,
        guarantee: DeliveryGuarantee = DeliveryGuarantee.AT_MOST_ONCE,
        limits: Limits = LIMITS,
        answer: Callable[..., HttpResponse] | None = None,
        content: Content = CONTENT,
        send_before: float | None = None,
    ) -> None:
        self.time = 1000.0
        self.transport = FakeTransport(answer) if answer else FakeTransport()
        self.recorder = Recorder()
        self.state = CampaignState.SENDING
        self.state_reason = ""
        self.paused_until: float | None = None
        self.suppressed_keys: set[str] = set()
        self.settled: frozenset[int] = frozenset()
        self.stopping = asyncio.Event()
        self._guarantee, self._content, self._send_before = guarantee, content, send_before
        self._people = [Recipient(f"p{i}@example.com", f"P{i}") for i in range(people)]
        config = ProviderConfig(
            nickname="acme",
            request_type=RequestType.POST,
            http_endpoint="https://api.example.com/send",
            parameters=SINGLE if batch is None else BATCHED,
            batch=None if batch is None else Batch(max_messages=batch),
            limits=limits,
        )
        self.provider = Provider(
            provider_id=1,
            version=1,
            config=config,
            callback_token="t",
            created_at=0.0,
            updated_at=0.0,
        )
        self.chunk: Chunk = planned(NUMBER, 0, people)

    async def dispatch(self) -> None:
        claim = Claim(
            chunk=self.chunk,
            provider_id=1,
            guarantee=self._guarantee,
            content=self._content,
            send_before=self._send_before,
            recipients=self._people,
            settled=self.settled,
        )
        post = PostRequest(
            transport=self.transport,
            limiter=self,
            providers=self,  # type: ignore[arg-type]  # The calls that a dispatch makes, and no others.
            campaigns=self,  # type: ignore[arg-type]  # As above.
            clock=self,
            chance=lambda: 0.5,
        )
        await DispatchChunk(
            journal=Journal(self.recorder),  # type: ignore[arg-type]  # As above.
            providers=self,  # type: ignore[arg-type]  # As above.
            suppressions=self,  # type: ignore[arg-type]  # As above.
            post=post,
            message_ids=MessageIds(b"k" * 32),
            clock=self,
        )(claim, self.stopping)
        if self.recorder.steps:
            self.chunk = self.recorder.steps[-1].chunk

    def states(self) -> dict[MessageState, int]:
        """How many messages are in each state, by the moves that were stored."""
        state = dict.fromkeys(range(len(self._people)), MessageState.QUEUED)
        for step in self.recorder.steps:
            for move in step.moves:
                for ordinal in move.ordinals:
                    assert state[ordinal] is move.old, "a move starts where the message is"
                    state[ordinal] = move.new
        return dict(Counter(state.values()))

    def reasons(self) -> set[str]:
        return {m.reason for step in self.recorder.steps for m in step.moves if m.reason}

    def entries(self) -> list[LogEntry]:
        return [entry for step in self.recorder.steps for entry in step.entries]

    def keys(self) -> list[str]:
        """The Idempotency-Key of each request that reached the ESP."""
        return [dict(r.headers)["Idempotency-Key"] for r in self.transport.requests]

    def now(self) -> float:
        return self.time

    async def reserve(self, provider_id: int, *, requests: int, messages: int) -> float:
        return 0.0

    async def by_id(self, provider_id: int) -> Provider:
        return self.provider

    async def version(self, provider_id: int, version: int) -> ProviderConfig:
        return self.provider.config

    async def pause(self, provider_id: int, *, until: float, reason: str) -> None:
        self.paused_until = until

    async def change_state(self, number: int, update: StateChange) -> None:
        change = update(self.state)
        if change is not None:
            self.state, self.state_reason = change

    async def suppressed(self, keys: set[str]) -> dict[str, Suppression]:
        return {
            key: Suppression(email=key, key=key, reason=SuppressionReason.MANUAL, created_at=0.0)
            for key in self.suppressed_keys.intersection(keys)
        }


def is_done(world: World) -> bool:
    return world.chunk.state is ChunkState.DONE
