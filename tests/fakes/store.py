"""What the fakes of one test share, as the adapters of one service share a database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from domain.ahead import is_ahead
from domain.callback import Unprocessed
from domain.circuit import CircuitState
from domain.errors import EspalierError
from domain.events import EntryKind, LogEntry
from domain.provider import Provider, ProviderConfig
from domain.retry import MAX_RETRY_AFTER_SECONDS
from domain.suppression import Suppression
from services.ports import MAX_ESP_MESSAGE_ID, EspMessage, Kept, Trace
from tests.fakes.clock import FakeClock
from tests.fakes.stored_campaign import StoredCampaign


@dataclass(slots=True, kw_only=True)
class StoredProvider:
    """A provider with all its configurations, and when its next slots are free."""

    provider: Provider
    versions: dict[int, ProviderConfig]
    deleted: bool = False
    next_request_at: float = 0.0
    next_message_at: float = 0.0

    def is_held(self, now: float) -> bool:
        """Whether it is paused, or its circuit open."""
        paused_until = self.provider.paused_until or 0.0
        is_paused = is_ahead(paused_until, now=now, longest=MAX_RETRY_AFTER_SECONDS)
        return is_paused or self.provider.circuit.state(now) is CircuitState.OPEN


class StoredEntry(NamedTuple):
    """An entry of the log; its provider may change its name."""

    provider_id: int
    entry: LogEntry


class SentTest(NamedTuple):
    """A test email that went out at a time (epoch seconds)."""

    provider_id: int
    email: str
    at: float


class Store:
    """Everything that is stored, in memory.

    `failure` is raised by each call of every fake while it is set, and then nothing is stored: a
    database that is busy.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.failure: EspalierError | None = None
        self.providers: dict[int, StoredProvider] = {}
        self.campaigns: dict[int, StoredCampaign] = {}
        self.last_campaign = 0
        self.suppressions: dict[str, Suppression] = {}
        self.tests: dict[int, SentTest] = {}
        self.log: list[StoredEntry] = []
        # The provider's id, when it was received, and the request.
        self.kept: list[tuple[int, float, Kept]] = []
        self.folded = 0
        self.unprocessed: list[Unprocessed] = []
        # With the ids of their providers, in the order in which they came.
        self.esp_messages: list[tuple[int, EspMessage]] = []
        # Signed requests that were stored, by the digest of their use.
        self.signature_uses: dict[bytes, Trace] = {}
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Other tasks have their turn before it begins and none within: nothing awaits in it."""
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        yield
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, is_so: Callable[[], bool], *, timeout_seconds: float) -> None:
        """Returns once it is so, at the latest after the timeout."""
        await asyncio.sleep(0)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while not is_so():
                    await self._changed.wait()

    def nickname(self, provider_id: int) -> str:
        return self.providers[provider_id].provider.config.nickname

    def append(self, provider_id: int, entry: LogEntry) -> None:
        """Gives the entry the next position of the log."""
        self.log.append(StoredEntry(provider_id, replace(entry, position=len(self.log) + 1)))

    def call(self, provider_id: int, said: EspMessage) -> None:
        """Keeps what an ESP calls a message, once."""
        known = {(of, each.esp_message_id, each.message) for of, each in self.esp_messages}
        is_new = (provider_id, said.esp_message_id, said.message) not in known
        if is_new and len(said.esp_message_id) <= MAX_ESP_MESSAGE_ID:
            self.esp_messages.append((provider_id, said))

    def say_sent(self, campaign: StoredCampaign, ordinals: Sequence[int]) -> None:
        """That the ESP took these messages, which something else than its answer has proved."""
        now = self.clock.now()
        if ordinals:
            entry = LogEntry(
                kind=EntryKind.SENT,
                provider="",
                number=campaign.campaign.number,
                ordinals=tuple(ordinals),
                occurred_at=now,
                received_at=now,
            )
            self.append(campaign.campaign.provider_id, entry)
