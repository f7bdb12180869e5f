"""Reads the settings from the environment and a file, and says what is wrong with them."""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from entrypoints.setting_kinds import NotAllowed, as_text
from entrypoints.settings import PREFIX, Settings, row, table

CONFIG_VARIABLE = "ESPALIER_CONFIG"
# They say where the settings are and where a client finds the service: no settings of the service.
OTHER_VARIABLES = frozenset({CONFIG_VARIABLE, "ESPALIER_ADDRESS"})


class SettingsRefused(Exception):
    """Settings that the service cannot start with; one sentence for each fault."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


def load(environ: Mapping[str, str], config: Path | None = None) -> Settings:
    """The settings in `environ` and in the TOML file `config` (else that of ESPALIER_CONFIG).

    An empty variable counts as not set. Raises SettingsRefused with every fault there is.
    """
    path = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    given = _in_file(path) if path else []
    given += [
        _Given(name=_name_of(variable), origin=variable, value=value, in_file=False)
        for variable, value in environ.items()
        if variable.startswith(PREFIX) and variable not in OTHER_VARIABLES and value
    ]
    known = {one.name: one for one in given if one.name in Settings.model_fields}
    faults = [_unknown(one) for one in given if one.name not in Settings.model_fields]
    try:
        settings = Settings.model_validate({name: one.value for name, one in known.items()})
    except ValidationError as error:
        raise SettingsRefused(faults + _all_wrong(error, known)) from None
    if faults:
        raise SettingsRefused(faults)
    return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A setting as somebody wrote it; `origin` is how a refusal names it."""

    name: str
    origin: str
    value: object
    in_file: bool


def _in_file(path: Path) -> list[_Given]:
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise SettingsRefused([f"{path}: cannot be read ({error.strerror})"]) from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError both are one.
        raise SettingsRefused([f"{path}: is no TOML: {error}"]) from error
    return [
        _Given(name=name, origin=f"{name} in {path}", value=as_text(value), in_file=True)
        for name, value in content.items()
    ]


def _name_of(variable: str) -> str:
    """Variables are written in capitals; one that is not names no setting."""
    name = variable.removeprefix(PREFIX)
    return name.lower() if name.isupper() else variable


def _unknown(given: _Given) -> str:
    names = {one.name: one.name if given.in_file else one.variable for one in table()}
    written = given.name.removeprefix(PREFIX).lower()
    near = difflib.get_close_matches(written, names, n=1)
    hint = f" (did you mean {names[near[0]]}?)" if near else ""
    return f"{given.origin}: there is no such setting{hint}; there are: {', '.join(names.values())}"


def _all_wrong(error: ValidationError, known: Mapping[str, _Given]) -> list[str]:
    # Where a setting is at fault, a default that is made of it is not made: not worth a line.
    return [
        _wrong(known[name], fault) if name in known else _wrong_default(name)
        for name, fault in {str(fault["loc"][0]): fault for fault in error.errors()}.items()
        if fault["type"] != "default_factory_not_called"
    ]


def _wrong_default(name: str) -> str:
    """For instance the default folder, where the service is started in a place with a ? in it."""
    about = row(name)
    return f"{about.variable}: its default cannot be used here; set it to {about.kind}"


def _wrong(given: _Given, fault: ErrorDetails) -> str:
    about = row(given.name)
    value = "the value" if about.secret else repr(given.value)
    cause = fault.get("ctx", {}).get("error")
    hint = f"; {cause}" if isinstance(cause, NotAllowed) else ""
    return f"{given.origin}: {value} is not allowed; it must be {about.kind}{hint}"
