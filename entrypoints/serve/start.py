"""Starting the service, or a part of it, in this process, as the commands do."""

import os
import socket
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path

import structlog
import typer
import uvloop

from entrypoints.bootstrap import CannotStart
from entrypoints.logs import set_up_logs
from entrypoints.serve.dispatching import dispatch
from entrypoints.serve.receiving import receive
from entrypoints.serve.service import serve
from entrypoints.settings import Settings
from entrypoints.settings_loader import SettingsRefused, load


def run_service(config: Path | None) -> None:
    """Serves until a signal. Says what stops a start, and exits with 2 for wrong settings, or 1."""
    settings = _settings(config)
    environ = dict(os.environ)
    if config is not None:
        environ["ESPALIER_CONFIG"] = str(config.absolute())
    log = structlog.get_logger()
    # JSON is for programs: whoever sits at the terminal is told in words as well.
    at_terminal = settings.log_format == "json" and sys.stdout.isatty()

    def say(text: str) -> None:
        log.info(text)
        if at_terminal:
            typer.echo(f"espalier: {text}")

    _run(serve(settings, environ=environ, log=log, say=say))


def run_dispatcher(*, supervised: bool) -> None:
    """Sends until a signal; what stops a start is told as by `run_service`."""
    _run(dispatch(_settings(None), supervised=supervised))


def run_receiver(descriptors: Sequence[int]) -> None:
    """Takes callbacks in on inherited sockets until a signal."""
    settings = _settings(None)
    sockets = [socket.socket(fileno=number) for number in descriptors]
    _run(receive(settings, sockets=sockets, log=structlog.get_logger()))


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
