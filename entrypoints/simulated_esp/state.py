"""The simulator's memory, shared by the provider's requests and the control endpoints."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TypedDict

from entrypoints.simulated_esp.answers import AnswerStore
from entrypoints.simulated_esp.backlog import CallbackCounts
from entrypoints.simulated_esp.behaviour import Behaviour
from entrypoints.simulated_esp.callbacks import CallbackPoster
from entrypoints.simulated_esp.faults import FaultPicker
from entrypoints.simulated_esp.ledger import (
    Ledger,
    MessageCounts,
    RequestCounts,
    Ring,
    SeenMessage,
    SeenRequest,
)
from entrypoints.simulated_esp.settings import EspSettings

# For the kept requests, and again for the kept messages.
_KEPT_BYTES = 64 * 1024 * 1024


class Counts(TypedDict):
    """What `GET /_simulator/counts` answers."""

    requests: RequestCounts
    messages: MessageCounts
    callbacks: CallbackCounts


class EspState:
    """Behaviour, counts and what is kept. `reset` forgets all of it but the behaviour."""

    def __init__(self, settings: EspSettings, behaviour: Behaviour) -> None:
        self.settings = settings
        self._behaviour = behaviour
        self.poster = CallbackPoster(lambda: self._behaviour)
        self.answers = AnswerStore()
        self.requests: Ring[SeenRequest] = Ring(items=settings.keep, weight=_KEPT_BYTES)
        self.messages: Ring[SeenMessage] = Ring(items=settings.keep, weight=_KEPT_BYTES)
        self.ledger = Ledger()
        self.faults = FaultPicker(behaviour.seed)
        self._stopping = asyncio.Event()

    @property
    def behaviour(self) -> Behaviour:
        return self._behaviour

    def behave(self, behaviour: Behaviour) -> None:
        """Behave so from the next request on. Another seed starts its draws anew."""
        if behaviour.seed != self._behaviour.seed:
            self.faults = FaultPicker(behaviour.seed)
        self._behaviour = behaviour

    def counts(self) -> Counts:
        return {
            "requests": self.ledger.request_counts(),
            "messages": self.ledger.message_counts(),
            "callbacks": self.poster.counts(),
        }

    async def pause(self, seconds: float) -> None:
        """Let a request wait; a stop of the simulator ends every wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def end_pauses(self) -> None:
        self._stopping.set()

    def reset(self) -> None:
        self.ledger = Ledger()
        self.faults = FaultPicker(self._behaviour.seed)
        self.answers.clear()
        self.requests.clear()
        self.messages.clear()
        self.poster.reset()
