"""Provider files for known ESPs, of which only a few settings are left open.

A preset is a YAML file of two documents. The first says what it is: `title`, `settings` and
`facts`, those that are `verified` (each with what by) and those that are `unverified`. The second
is a provider file as text, with `@@name@@` where a setting goes; see entrypoints.presets.filling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import yaml

_SUFFIX: Final = ".yaml"
_SEPARATOR: Final = "\n---\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a person must or may say of their account at the ESP.

    `variable` is the environment variable that a secret is taken from where it is not given; it is
    empty for what is none. Without a default a setting that is not `optional` must be given.
    """

    name: str
    description: str
    variable: str = ""
    default: str | None = None
    optional: bool = False

    @property
    def is_secret(self) -> bool:
        return bool(self.variable)

    @property
    def is_required(self) -> bool:
        return not self.optional and self.default is None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedFact:
    """What a preset relies on, and by what it was verified. None was tried on a live ESP."""

    fact: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """`text` is the provider file, with marks for the settings."""

    name: str
    title: str
    settings: Sequence[Setting]
    verified: Sequence[VerifiedFact]
    unverified: Sequence[str]
    text: str


@cache
def all_presets() -> tuple[Preset, ...]:
    """All presets, by name. The first call reads files for some hundredths of a second."""
    files = [file for file in resources.files(__name__).iterdir() if file.name.endswith(_SUFFIX)]
    presets = (
        _read(file.name.removesuffix(_SUFFIX), file.read_text(encoding="utf-8")) for file in files
    )
    return tuple(sorted(presets, key=lambda preset: preset.name))


def _read(name: str, text: str) -> Preset:
    head, _, provider = text.partition(_SEPARATOR)
    said = yaml.safe_load(head)
    return Preset(
        name=name,
        title=said["title"],
        settings=(*(_setting(name, each) for each in said["settings"]), *_common(name)),
        verified=tuple(VerifiedFact(**each) for each in said["facts"]["verified"]),
        unverified=tuple(said["facts"]["unverified"]),
        text=provider,
    )


def _setting(preset: str, said: Mapping[str, Any]) -> Setting:
    is_secret = said.get("secret", False)
    variable = f"{preset}_{said['name']}".upper().replace("-", "_") if is_secret else ""
    return Setting(
        name=said["name"],
        description=said["description"].strip(),
        variable=variable,
        default=said.get("default"),
        optional=said.get("optional", False),
    )


def _common(preset: str) -> Sequence[Setting]:
    return (
        Setting(name="nickname", description="The provider's nickname.", default=preset),
        Setting(
            name="from_name",
            description="The sender's name where a campaign gives none.",
            optional=True,
        ),
        Setting(
            name="from_address",
            description="The sender's address where a campaign gives none.",
            optional=True,
        ),
    )
