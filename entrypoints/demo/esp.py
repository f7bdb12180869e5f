"""The demo's hold on its simulated ESP: where callbacks go, and what it has counted."""

from __future__ import annotations

from typing import cast

import aiohttp

from entrypoints.simulated_esp.state import Counts


class Esp:
    """A simulated ESP at `url`; aiohttp.ClientError: it does not answer, or refuses."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def call_back_to(self, url: str) -> None:
        """Post callbacks to `url` for what is accepted from now on."""
        changes = {"callbacks": {"url": url}}
        async with self._session.put(f"{self.url}/_simulator/behaviour", json=changes) as answer:
            answer.raise_for_status()

    async def counts(self) -> Counts:
        async with self._session.get(f"{self.url}/_simulator/counts") as answer:
            answer.raise_for_status()
            return cast(Counts, await answer.json())
