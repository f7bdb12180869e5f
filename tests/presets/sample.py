"""Samples of what each ESP is sent, answers and calls back, written from its documented shapes.

A file of samples/ has:

settings     what the preset is given (unsubscribe_url comes besides for `whole`)
url, headers of every request
whole        the body for one message with all that it can have but AMP, as JSON; with `form`, its
             fields with their values
batch        the bodies of the requests for two messages with as little as possible
answers      what an answer to two messages (or `of` one) means: `outcome`, of `parts`, `ids`,
             `reasons` and `wait` in seconds
wrap, base   a webhook's body, in which EVENT stands for an event and TEXT for its JSON, and what
             all events have; with `form_field` it stands in that field of a form, with
             `query_fields` the event's members stand in the query
meta         what comes back of the message id, which is mid-0 where nothing is said
esp_id       the ESP's own id of the message in all events
events       what an event is to us (SKIPPED: nothing), and its description
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from domain.provider import ProviderConfig
from domain.provider_rules import check
from domain.webhook_request import WebhookRequest
from entrypoints.cli.provider_file import read_provider_text
from entrypoints.convert.provider import read_provider
from entrypoints.presets import Preset, all_presets
from entrypoints.presets.filling import fill

NOW = 1_800_000_000.0
URL = "https://mail.example.com/callbacks/T0ken"
PRESETS = {preset.name: preset for preset in all_presets()}
NAMES = tuple(PRESETS)


@lru_cache
def sample(name: str) -> Mapping[str, Any]:
    text = (Path(__file__).parent / "samples" / f"{name}.yaml").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = yaml.safe_load(text)
    return loaded


def configured(name: str, **settings: str) -> ProviderConfig:
    """The provider that the preset makes of the sample's settings and these. It must be valid."""
    wanted = {**sample(name)["settings"], **settings}
    return read_preset(
        PRESETS[name], {k: v for k, v in wanted.items() if k in settings_of(PRESETS[name])}
    )


def settings_of(preset: Preset) -> frozenset[str]:
    return frozenset(setting.name for setting in preset.settings)


def read_preset(preset: Preset, settings: Mapping[str, str]) -> ProviderConfig:
    filled = fill(preset, settings, {})
    file = read_provider_text(filled.text, Path(preset.name), filled.environment)
    wanted = read_provider(file.provider)
    assert wanted.faults == ()
    violations, _ = check(wanted.config)
    assert list(violations) == []
    return wanted.config


def webhook_request(name: str, entry: Mapping[str, Any]) -> WebhookRequest:
    """The request by which the ESP tells one of the sample's events."""
    sampled = sample(name)
    event = merged(sampled["base"], entry["event"])
    if sampled.get("query_fields"):
        return request_of(b"", query=event)
    body = _wrapped(sampled["wrap"], event, entry.get("name"))
    if field := sampled.get("form_field"):
        return _form({field: json.dumps(body)})
    return request_of(json.dumps(body).encode())


def request_of(
    body: bytes, headers: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None
) -> WebhookRequest:
    return WebhookRequest(
        method="POST", url=URL, headers=headers or {}, query=query or {}, body=body
    )


def _form(fields: Mapping[str, str]) -> WebhookRequest:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    return request_of(urlencode(fields).encode(), kind)


def _wrapped(wrap: Any, event: Any, name: Any) -> Any:
    if isinstance(wrap, list):
        return [_wrapped(each, event, name) for each in wrap]
    if isinstance(wrap, dict):
        return {key: _wrapped(each, event, name) for key, each in wrap.items()}
    special = {"EVENT": event, "TEXT": json.dumps(event), "NAME": name}
    return special.get(wrap, wrap)


def merged(base: Any, changes: Any) -> Any:
    """`base` with the members of `changes`, also those of objects in it."""
    if not (isinstance(base, dict) and isinstance(changes, dict)):
        return changes
    return {**base, **{key: merged(base.get(key), value) for key, value in changes.items()}}
