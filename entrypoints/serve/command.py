"""The commands that run the service: `serve`, and `dispatch` and `receive`, which it starts.

Every use of `espalier` imports this module, down to the Tab key; what the service itself needs
takes most of a second to import, and comes only once it is started.
"""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None, typer.Option(help="A TOML file of settings; ESPALIER_CONFIG names it as well.")
]


def serve(config: Config = None) -> None:
    """Run the service on this machine: the API, the callback URL and the dispatchers.

    Settings come from ESPALIER_* variables and the file. SIGTERM ends it in order.
    """
    from entrypoints.serve.start import run_service

    run_service(config)


def dispatch(
    supervised: Annotated[bool, typer.Option(help="End when the standard input closes.")] = False,
) -> None:
    """Run one dispatcher, with the settings of the environment. `serve` starts these itself."""
    from entrypoints.serve.start import run_dispatcher

    run_dispatcher(supervised=supervised)


def receive(
    socket: Annotated[list[int], typer.Option(help="The number of an inherited socket.")],
) -> None:
    """Take callbacks in, with the settings of the environment. `serve` starts these itself."""
    from entrypoints.serve.start import run_receiver

    run_receiver(socket)
