"""Each preset reads what its ESP answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from domain.answer import Verdict, read_answer
from domain.http import HttpResponse
from domain.retry import Outcome
from tests.presets.sample import NAMES, NOW, configured, sample

_MESSAGES = ((0, "ada@example.com"), (1, "bob@example.com"))
_CASES = [
    pytest.param(name, entry, id=f"{name}: {entry['says']}")
    for name in NAMES
    for entry in sample(name)["answers"]
]


@pytest.mark.parametrize(("name", "entry"), _CASES)
def test_an_answer_means_what_the_esp_means_by_it(name: str, entry: Mapping[str, Any]) -> None:
    messages = _MESSAGES[: entry.get("of", 2)]

    verdict = read_answer(configured(name).answer, _answer(entry), messages, now=NOW)

    assert verdict.outcome is Outcome[entry["outcome"]]
    assert [part.outcome.name for part in verdict.parts] == entry.get("parts", [])
    assert verdict.wait_seconds == entry.get("wait")
    assert _ids(verdict, len(messages)) == entry.get("ids", [None] * len(messages))
    if "reasons" in entry:
        assert [part.reason for part in verdict.parts] == entry["reasons"]


@pytest.mark.parametrize("name", NAMES)
def test_the_samples_have_a_success_a_failure_and_a_throttling(name: str) -> None:
    outcomes = {entry["outcome"] for entry in sample(name)["answers"]}

    assert {"ACCEPTED", "RETRY"} < outcomes


def _answer(entry: Mapping[str, Any]) -> HttpResponse:
    body = json.dumps(entry["body"]) if "body" in entry else entry.get("text", "")
    headers = tuple(entry.get("headers", {}).items())
    return HttpResponse(status=entry["status"], headers=headers, body=body.encode())


def _ids(verdict: Verdict, count: int) -> list[str | None]:
    return [verdict.esp_ids.get(ordinal) for ordinal in range(count)]
