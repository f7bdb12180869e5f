"""Waiting for the slots of a provider's rate limits."""

import asyncio
from contextlib import suppress
from math import inf

from domain.provider import Limits
from services.patience import patiently
from services.ports import Limiter

# Slots are taken so many seconds ahead: none is lost to a moment in which nobody asks, and few are
# taken when somebody comes who has to wait behind them.
_AHEAD_SECONDS = 0.2
# Seconds between two looks whether a slot is near.
_LOOK_SECONDS = 0.25


class Slots:
    """The rate limits of all providers, as a run sees them; whoever is small goes first.

    A large campaign takes no slots that are far ahead. So a small one finds a slot that is near,
    and a limit that is raised holds for all within a second.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    async def limits(self, provider_id: int) -> Limits:
        """Those of now."""
        return await patiently(lambda: self._limiter.limits(provider_id))

    async def wait(
        self,
        provider_id: int,
        *,
        requests: int,
        messages: int,
        is_small: bool,
        stopping: asyncio.Event,
    ) -> float | None:
        """How many seconds it took until the slots had come; None while the provider is paused.

        Also ends once `stopping` is set.
        """
        within, waited = inf if is_small else _AHEAD_SECONDS, 0.0
        while True:
            wait = await patiently(
                lambda: self._limiter.reserve(
                    provider_id, requests=requests, messages=messages, within=within
                )
            )
            if wait is None:
                return None
            pause = wait if wait <= within else min(wait - within, _LOOK_SECONDS)
            await _pause(pause, stopping)
            waited += pause
            if wait <= within or stopping.is_set():
                return waited


async def _pause(seconds: float, stopping: asyncio.Event) -> None:
    if seconds > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stopping.wait()
