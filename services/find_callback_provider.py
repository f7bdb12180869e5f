"""Whose callback URL it is, asked for every callback."""

import asyncio
from collections.abc import Awaitable, Callable

from domain.provider import Provider
from services.ports import Clock

# A token is its provider's for good, also once that was deleted; this bounds what a restored
# database, or a rule of later versions, may find remembered here.
_REMEMBERED_SECONDS = 10.0


class FindCallbackProvider:
    """Remembers for some seconds what it has found, and asks but once at a time for a token.

    What is not there is not remembered: a new provider's URL works at once.
    """

    def __init__(
        self, by_callback_token: Callable[[str], Awaitable[Provider | None]], clock: Clock
    ) -> None:
        self._by_callback_token = by_callback_token
        self._clock = clock
        self._found: dict[str, tuple[float, Provider]] = {}
        self._asking: dict[str, asyncio.Task[Provider | None]] = {}

    def known(self, token: str) -> Provider | None:
        """What is remembered, without a wait: one that is not may be there all the same."""
        found = self._found.get(token)
        return found[1] if found is not None and self._clock.now() < found[0] else None

    async def __call__(self, token: str) -> Provider | None:
        """Raises TryLater where it cannot be found out."""
        known = self.known(token)
        if known is not None:
            return known
        asking = self._asking.get(token)
        if asking is None:
            asking = asyncio.create_task(self._ask(token))
            self._asking[token] = asking
        # Whoever goes away leaves the others their answer.
        return await asyncio.shield(asking)

    async def _ask(self, token: str) -> Provider | None:
        try:
            provider = await self._by_callback_token(token)
        finally:
            del self._asking[token]
        if provider is None:
            self._found.pop(token, None)
        else:
            self._found[token] = (self._clock.now() + _REMEMBERED_SECONDS, provider)
        return provider
