"""The commands `espalier provider preset …`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from entrypoints.cli.client import DEFAULT_ADDRESS, Address
from entrypoints.cli.failures import EXIT_INVALID, EXIT_NOT_FOUND, Failure, reported
from entrypoints.cli.output import Json, print_json, print_table
from entrypoints.cli.provider_configuring import configured, print_configured
from entrypoints.cli.provider_file import ProviderFile, read_provider_text
from entrypoints.presets import Preset, Setting, all_presets
from entrypoints.presets.filling import CannotFill, FilledPreset, fill

app = typer.Typer(no_args_is_help=True, help="Configure a known provider from a few settings.")


def _names() -> list[str]:
    return [preset.name for preset in all_presets()]


Name = Annotated[
    str,
    typer.Argument(
        metavar="PRESET", help="The preset's name, as `list` shows it.", autocompletion=_names
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting. A secret is better exported as the variable that `show` names.",
    ),
]


@app.command("list")
def list_(json: Json = False) -> None:
    """List all presets."""
    presets = all_presets()
    if json:
        print_json({"presets": [{"name": each.name, "title": each.title} for each in presets]})
        return
    rows = ((each.name, each.title, _required(each)) for each in presets)
    print_table(("PRESET", "PROVIDER", "MUST BE SET"), rows, "There is no preset.")


@app.command("show")
def show(
    name: Name,
    given: Set = None,
    file: Annotated[
        bool,
        typer.Option("--file", help="Print the filled-in provider file only, to keep and change."),
    ] = False,
    json: Json = False,
) -> None:
    """Show a preset: its settings, and which of its facts are verified.

    ```
    espalier provider preset show mailgun --file --set domain=mg.example.com > mailgun.yaml
    ```
    """
    with reported():
        preset = _preset(name)
        if file:
            typer.echo(_filled(preset, given, _with_secrets(preset)).text, nl=False)
        elif json:
            print_json(_as_dict(preset))
        else:
            _print(preset)


@app.command("apply")
def apply(
    name: Name,
    given: Set = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and store nothing.")
    ] = False,
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Create a provider from a preset, or replace the one of that nickname.

    Give the callback URL that is printed to the provider. What is only known then, such as the key
    of its webhook, is given by applying the preset once more with all settings.

    ```
    export SENDGRID_API_KEY
    espalier provider preset apply sendgrid --set from_address=ada@example.com
    ```
    """
    with reported():
        source = _source(_preset(name), given)
    response = configured(source, validate_only=dry_run, address=address)
    print_configured(response, validate_only=dry_run, json=json)


def _preset(name: str) -> Preset:
    presets = {preset.name: preset for preset in all_presets()}
    if name in presets:
        return presets[name]
    close = difflib.get_close_matches(name, presets, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(presets)}."
    raise Failure(f"There is no preset {name}; {hint}", EXIT_NOT_FOUND)


def _source(preset: Preset, given: Iterable[str] | None) -> ProviderFile:
    filled = _filled(preset, given, os.environ)
    # Its lines are those that `show --file` prints.
    return read_provider_text(filled.text, Path(f"preset {preset.name}"), filled.environment)


def _filled(
    preset: Preset, given: Iterable[str] | None, environment: Mapping[str, str]
) -> FilledPreset:
    try:
        return fill(preset, _pairs(given or ()), environment)
    except CannotFill as fault:
        raise Failure(str(fault), EXIT_INVALID) from fault


def _pairs(given: Iterable[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            # The text may be a secret whose name was forgotten.
            raise Failure("--set takes NAME=VALUE; one of them has no `=`.", EXIT_INVALID)
        values[name.strip()] = value
    return values


def _with_secrets(preset: Preset) -> dict[str, str]:
    """An environment in which all required secrets are set: the file only names them."""
    needed = (each for each in preset.settings if each.is_secret and each.is_required)
    return {**{each.variable: "-" for each in needed}, **os.environ}


def _required(preset: Preset) -> str:
    return ", ".join(each.name for each in preset.settings if each.is_required)


def _print(preset: Preset) -> None:
    typer.echo(f"{preset.title}\n\nSettings (--set NAME=VALUE):")
    for setting in preset.settings:
        typer.echo(f"  {setting.name} ({_kind(setting)})\n    {setting.description}")
    _print_list("Verified:", [f"{each.fact} ({each.by})" for each in preset.verified])
    _print_list("Not verified:", preset.unverified)


def _print_list(heading: str, entries: Sequence[str]) -> None:
    typer.echo(f"\n{heading}")
    for entry in entries:
        typer.echo(f"  - {entry}")


def _kind(setting: Setting) -> str:
    if setting.default is not None:
        return f"default {setting.default}"
    need = "required" if setting.is_required else "optional"
    return f"{need}, secret, else from {setting.variable}" if setting.is_secret else need


def _as_dict(preset: Preset) -> dict[str, Any]:
    return {
        "name": preset.name,
        "title": preset.title,
        "settings": [
            {
                "name": each.name,
                "description": each.description,
                "secret": each.is_secret,
                "variable": each.variable,
                "default": each.default,
                "required": each.is_required,
            }
            for each in preset.settings
        ],
        "verified": [{"fact": each.fact, "by": each.by} for each in preset.verified],
        "unverified": list(preset.unverified),
        "provider_file": preset.text,
    }
