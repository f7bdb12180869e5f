"""The files that somebody who sends a campaign would write, made for the demo."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NICKNAME: Final = "demo"
SUBJECT: Final = "Hello $$name"
BATCH: Final = 1_000
# Every so manieth address is on the suppression list before the campaign.
_SUPPRESSED_EVERY: Final = 100

_PROVIDER: Final = """\
# How to reach the ESP. `espalier provider apply {path}` hands it to the service.
nickname: {nickname}
request_type: POST
http_endpoint: {endpoint}
batch: {{max_messages: {batch}}}
default_from_name: Espalier demo
default_from_address: demo@example.com
parameters: |
  {{
    // Every element of this array is one person's message.
    "messages": [
      {{
        "to": "$$To",
        "from": {{"name": "$$FromName", "address": "$$FromAddress"}},
        "subject": "$$Subject",
        "html": "$$HTML",
        "meta": "$$MessageID"
      }}
    ]
  }}
"""
_HTML: Final = "<h1>Hello $$name</h1>\n<p>The weather in $$city is fine.</p>\n"
_CITIES: Final = ("Ulm", "Porto", "Kyoto", "Quito", "Tromsø")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """The demo's folder, and the paths of what is in it."""

    folder: Path

    @property
    def provider(self) -> Path:
        return self.folder / "provider.yaml"

    @property
    def recipients(self) -> Path:
        return self.folder / "people.csv"

    @property
    def html(self) -> Path:
        return self.folder / "body.html"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def write_message(self, recipients: int) -> None:
        """Write the body, and so many recipients."""
        self.html.write_text(_HTML, encoding="utf-8")
        with self.recipients.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("email", "name", "city"))
            rows.writerows(
                (address(i), f"Person {i}", _CITIES[i % len(_CITIES)]) for i in range(recipients)
            )

    def write_provider(self, endpoint: str) -> None:
        text = _PROVIDER.format(
            path=self.provider.name, nickname=NICKNAME, endpoint=endpoint, batch=BATCH
        )
        self.provider.write_text(text, encoding="utf-8")


def address(number: int) -> str:
    return f"person{number}@example.com"


def suppressed_beforehand(recipients: int) -> list[str]:
    return [address(i) for i in range(_SUPPRESSED_EVERY - 1, recipients, _SUPPRESSED_EVERY)]
