from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from domain.jsonc import parse
from entrypoints.cli.provider_file import read_provider_text
from entrypoints.presets import Preset, Setting
from entrypoints.presets.filling import CannotFill, fill
from tests.presets.sample import NAMES, PRESETS, configured

# Whatever could end a string, a line or a comment, in YAML or in JSON.
_NASTY = "a\"b'\\c\n: #{[,]} // /* Zoë \u2028 \u0085 \x07"
_NUMBERS = {"batch_size", "requests_per_second"}


@pytest.mark.parametrize("name", NAMES)
def test_settings_and_marks_are_the_same(name: str) -> None:
    preset = PRESETS[name]
    marks = set(re.findall(r"@@\??([a-z_]+)@@", preset.text))

    assert marks == {setting.name for setting in preset.settings}
    assert preset.text.count("@@") % 2 == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_value_arrives_as_it_was_given_whatever_it_holds(name: str) -> None:
    preset = PRESETS[name]
    given = {
        setting.name: "5" if setting.name in _NUMBERS else f"{_NASTY}{setting.name}"
        for setting in preset.settings
    }
    filled = fill(preset, given, {})

    provider = read_provider_text(filled.text, Path(name), filled.environment).provider

    parse(provider.parameters)
    texts = list(_texts(MessageToDict(provider)))
    for setting, value in given.items():
        if setting in _NUMBERS or f"@@{setting}@@" not in preset.text:
            continue
        inside = json.dumps(value)[1:-1]
        assert any(value in text or inside in text for text in texts), setting


@pytest.mark.parametrize("name", NAMES)
def test_with_what_is_required_alone_the_provider_is_valid(name: str) -> None:
    config = configured(name)

    assert config.nickname == name
    assert (config.webhook is None) is (name == "generic-v2")


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_what_is_verified_and_what_is_not(name: str) -> None:
    preset = PRESETS[name]

    assert preset.title
    assert all(fact.fact and fact.by for fact in preset.verified)
    assert preset.verified
    assert preset.unverified


def test_nickname_and_sender_can_be_set_for_every_preset() -> None:
    config = configured("resend", nickname="mine", from_name="Ada", from_address="a@acme.example")

    assert config.nickname == "mine"
    assert config.default_from_name == "Ada"
    assert config.default_from_address == "a@acme.example"


def test_a_secret_stands_in_the_environment_and_never_in_the_file() -> None:
    filled = fill(_preset(), {"key": "s3cret"}, {"OTHER": "1"})

    assert filled.text == 'key: "${ESP_KEY}"\nplace: "here"\n'
    assert filled.environment == {"OTHER": "1", "ESP_KEY": "s3cret"}
    assert "s3cret" not in repr(filled)


def test_a_secret_is_taken_from_the_environment_and_one_that_is_given_goes_before_it() -> None:
    taken = fill(_preset(), {}, {"ESP_KEY": "from outside"})
    given = fill(_preset(), {"key": "given"}, {"ESP_KEY": "from outside"})

    assert taken.environment["ESP_KEY"] == "from outside"
    assert given.environment["ESP_KEY"] == "given"


def test_a_line_without_its_setting_is_left_out_and_a_silent_mark_leaves_nothing() -> None:
    preset = _preset(text='a: "@@place@@@@?extra@@"\nb: "@@extra@@"\nc: "@@place@@"')

    without = fill(preset, {"key": "k"}, {})
    with_it = fill(preset, {"key": "k", "extra": "more"}, {})

    assert without.text == 'c: "here"\n'
    assert with_it.text == 'a: "here"\nb: "more"\nc: "here"\n'


def test_a_value_that_looks_like_a_mark_is_not_filled_in_again() -> None:
    filled = fill(_preset(), {"key": "k", "place": "@@key@@"}, {})

    assert 'place: "@@key@@"' in filled.text


def test_everything_that_is_missing_or_unknown_is_told_at_once() -> None:
    with pytest.raises(CannotFill) as caught:
        fill(_preset(), {"plcae": "there", "zzz": ""}, {})

    assert str(caught.value).splitlines() == [
        "The preset esp has no setting plcae; did you mean place?",
        "The preset esp has no setting zzz; there are key, place, extra.",
        "key is missing: export ESP_KEY, or give --set key=…. The key.",
    ]


def _preset(text: str = 'key: "@@key@@"\nplace: "@@place@@"\nextra: "@@extra@@"') -> Preset:
    return Preset(
        name="esp",
        title="An ESP",
        settings=(
            Setting(name="key", description="The key.", variable="ESP_KEY"),
            Setting(name="place", description="Where.", default="here"),
            Setting(name="extra", description="More.", optional=True),
        ),
        verified=(),
        unverified=(),
        text=text,
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("name", [name for name in NAMES if f"{name}-bulk" in NAMES])
def test_many_recipients_a_request_change_nothing_in_what_comes_back(name: str) -> None:
    one, many = configured(name).webhook, configured(f"{name}-bulk").webhook
    assert one is not None
    assert many is not None
    if name == "elastic-email":
        # Its postback is common to a request.
        many = replace(many, meta=one.meta, esp_message_id=one.esp_message_id)

    assert many == one
