"""Each preset reads what its ESP calls back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from domain.callback import CallbackType
from domain.webhook import Webhook
from domain.webhook_mapping import WebhookMapping
from domain.webhook_values import fits
from tests.presets.sample import NAMES, NOW, configured, sample, webhook_request

_MAPPED = [name for name in NAMES if "events" in sample(name)]
_CASES = [
    pytest.param(name, entry, id=f"{name}: {number} {entry['is']}")
    for name in _MAPPED
    for number, entry in enumerate(sample(name)["events"])
]


@pytest.mark.parametrize(("name", "entry"), _CASES)
def test_an_event_is_what_the_esp_tells(name: str, entry: Mapping[str, Any]) -> None:
    reading = Webhook(_mapping(name)).read(webhook_request(name, entry))

    if entry["is"] == "SKIPPED":
        assert list(reading.events) == []
        assert reading.skipped == 1
        return
    (event,) = reading.events
    assert event.type is CallbackType[entry["is"]]
    assert (event.email, event.meta) == ("ada@example.com", sample(name).get("meta", "mid-0"))
    assert event.timestamp == entry.get("time", sample(name).get("time", NOW))
    assert event.esp_message_id == sample(name).get("esp_id", "")
    assert event.description == entry.get("description", event.description)


@pytest.mark.parametrize("name", _MAPPED)
def test_every_rule_of_types_has_a_sample(name: str) -> None:
    mapping = _mapping(name)
    entries = [entry for entry in sample(name)["events"] if entry["is"] != "SKIPPED"]

    reached = {_rule(mapping, webhook_request(name, entry)) for entry in entries}

    assert set(range(len(mapping.types))) - reached == set()


@pytest.mark.parametrize("name", _MAPPED)
def test_a_body_of_another_shape_gives_no_event_that_is_known(name: str) -> None:
    for body in (b"[]", b"{}", b"null", b'[{"a": [1]}]', b'"text"'):
        request = webhook_request(name, sample(name)["events"][0])
        request = replace(request, body=body, query={})

        reading = Webhook(_mapping(name)).read(request)

        assert {event.type for event in reading.events} <= {CallbackType.UNKNOWN}
        assert {event.meta for event in reading.events} <= {""}


def _rule(mapping: WebhookMapping, request: Any) -> int:
    (event,) = Webhook(mapping).read(request).events
    fitting = (i for i, rule in enumerate(mapping.types) if fits(rule.pattern, event.esp_type))
    return next(fitting, -1)


def _mapping(name: str) -> WebhookMapping:
    mapping = configured(name).webhook
    assert mapping is not None
    return mapping
