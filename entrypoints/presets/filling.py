"""From a preset and its settings to a provider file.

`@@name@@` in a preset stands for the setting's value, `@@?name@@` for nothing; a line of a setting
that is not set is left out. Marks stand between double quotes, of YAML or of the JSON in it, and a
value is escaped as both want it. Secrets never get into the file: `${VARIABLE}` stands for them, as
in any provider file.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from entrypoints.presets import Preset, Setting

_MARK: Final = re.compile(r"@@(\??)([a-z_]+)@@")


class CannotFill(Exception):
    """Settings do not fit the preset; each line of the message says what is wrong with one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledPreset:
    """A provider file, and an environment that has all variables that it names."""

    text: str
    environment: Mapping[str, str] = field(repr=False)


def fill(preset: Preset, given: Mapping[str, str], environment: Mapping[str, str]) -> FilledPreset:
    """Fill in what was given, secrets also from the environment. An empty value is none.

    CannotFill: a setting is missing, or there is none of that name.
    """
    secrets = {
        setting.variable: given[setting.name]
        for setting in preset.settings
        if setting.is_secret and given.get(setting.name)
    }
    known = {**environment, **secrets}
    if faults := list(_faults(preset, given, known)):
        raise CannotFill("\n".join(faults))
    values = {setting.name: _value(setting, given, known) for setting in preset.settings}
    lines = [_filled(line, values) for line in preset.text.splitlines() if _is_kept(line, values)]
    return FilledPreset(text="\n".join((*lines, "")), environment=known)


def _faults(
    preset: Preset, given: Mapping[str, str], environment: Mapping[str, str]
) -> Iterator[str]:
    names = [setting.name for setting in preset.settings]
    for name in given:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}."
            yield f"The preset {preset.name} has no setting {name}; {hint}"
    for setting in preset.settings:
        if setting.is_required and _value(setting, given, environment) is None:
            yield f"{_missing(setting)} {setting.description}"


def _missing(setting: Setting) -> str:
    if setting.is_secret:
        variable = setting.variable
        return f"{setting.name} is missing: export {variable}, or give --set {setting.name}=…."
    return f"{setting.name} is missing: give --set {setting.name}=…."


def _value(
    setting: Setting, given: Mapping[str, str], environment: Mapping[str, str]
) -> str | None:
    if setting.is_secret:
        return f"${{{setting.variable}}}" if environment.get(setting.variable) else None
    return given.get(setting.name) or setting.default


def _is_kept(line: str, values: Mapping[str, str | None]) -> bool:
    return all(values[mark[2]] is not None for mark in _MARK.finditer(line))


def _filled(line: str, values: Mapping[str, str | None]) -> str:
    return _MARK.sub(lambda mark: "" if mark[1] else _escaped(values[mark[2]] or ""), line)


def _escaped(value: str) -> str:
    """As it stands in a string of JSON, and in YAML's double quotes, which take the same escapes.

    All but ASCII is escaped as well, since YAML takes less as it stands than JSON does.
    """
    return json.dumps(value)[1:-1]
