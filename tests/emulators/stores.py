"""What the emulators keep of the mail that they were sent."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp


@dataclass(frozen=True, slots=True)
class SesStore:
    """Of aws-ses-v2-local. It takes tags, and keeps none."""

    url: str

    async def emails(self) -> Mapping[str, dict[str, Any]]:
        """By the id that it gave them."""
        store = await _fetched(f"{self.url}/store", {})
        return {email["messageId"]: email for email in store["emails"]}


@dataclass(frozen=True, slots=True)
class ResendStore:
    """Of resend-local, which keeps it in `database`. It takes tags, and keeps none."""

    url: str
    database: Path

    async def email(self, esp_message_id: str) -> dict[str, Any]:
        """As its API tells of it, and with the headers, which only the database has."""
        told = await _fetched(
            f"{self.url}/emails/{esp_message_id}", {"Authorization": "Bearer re_"}
        )
        ((headers,),) = self._rows("SELECT headers FROM email WHERE id = ?", esp_message_id)
        return {**told, "headers": json.loads(headers)}

    def recipients(self) -> dict[str, str]:
        """Who each email went to, by its id."""
        return dict(self._rows('SELECT email_id, "to" FROM email_to'))

    def _rows(self, query: str, *values: str) -> list[Any]:
        with closing(sqlite3.connect(self.database)) as database:
            return database.execute(query, values).fetchall()


async def _fetched(url: str, headers: Mapping[str, str]) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()
