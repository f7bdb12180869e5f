"""The commands that run the service: `serve`, and `dispatch`, which `serve` starts."""

import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop

from entrypoints.bootstrap import CannotStart
from entrypoints.logs import set_up_logs
from entrypoints.serve.dispatching import dispatch as run_dispatcher
from entrypoints.serve.service import serve as run_service
from entrypoints.settings import Settings
from entrypoints.settings_loader import SettingsRefused, load

Config = Annotated[
    Path | None, typer.Option(help="A TOML file of settings; ESPALIER_CONFIG names it as well.")
]


def serve(config: Config = None) -> None:
    """Run the service on this machine: the API, the callback URL and the dispatchers.

    Settings come from ESPALIER_* variables and the file. SIGTERM ends it in order.
    """
    settings = _settings(config)
    environ = dict(os.environ)
    if config is not None:
        environ["ESPALIER_CONFIG"] = str(config.absolute())
    log = structlog.get_logger()
    _run(run_service(settings, environ=environ, log=log, say=log.info))


def dispatch(
    supervised: Annotated[bool, typer.Option(help="End when the standard input closes.")] = False,
) -> None:
    """Run one dispatcher, with the settings of the environment. `serve` starts these itself."""
    _run(run_dispatcher(_settings(None), supervised=supervised))


def _settings(config: Path | None) -> Settings:
    try:
        settings = load(os.environ, config)
    except SettingsRefused as refused:
        for fault in refused.faults:
            typer.echo(f"espalier: {fault}", err=True)
        raise typer.Exit(2) from None
    set_up_logs(form=settings.log_format, level=settings.log_level, stream=sys.stderr)
    return settings


def _run(work: Coroutine[object, object, None]) -> None:
    try:
        uvloop.run(work)
    except CannotStart as refused:
        typer.echo(f"espalier: {refused}", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"espalier: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None
