"""The command `espalier demo`.

Every use of `espalier` imports this module; what only a demo needs is imported when one runs.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from entrypoints.cli.failures import EXIT_FAILED, EXIT_INVALID, Failure, reported
from entrypoints.cli.output import print_facts
from entrypoints.demo.failure import DemoFailed
from entrypoints.demo.files import Workplace
from entrypoints.demo.view import View

if TYPE_CHECKING:
    from entrypoints.demo.report import Outcome
    from entrypoints.demo.run import Demo

_EXIT_TERMINATED: Final = 128 + signal.SIGTERM
_ALL_ENDED: Final = "Nothing that the demo started runs any more."


def demo(
    recipients: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many the campaign goes to.")
    ] = 10_000,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Work in this folder, which must be new or empty, and leave all files there: the "
            "provider's, the recipients, the database, the logs. Default: a temporary one."
        ),
    ] = None,
) -> None:
    """See it all at work on this machine, in some seconds.

    It starts the service and a simulated provider on free ports, configures the provider, sends a
    campaign in batches of 1,000, takes the callbacks that come back, sums up and stops everything.
    Nothing leaves this machine. The exit code is 0 if all of it went as it should.
    """
    with reported(f"Interrupted. {_ALL_ENDED}"), _workplace(folder) as place:
        outcome = _run(place, recipients)
    typer.echo("")
    print_facts(outcome.facts())
    typer.echo("")
    typer.echo(_next_steps(folder))


@contextmanager
def _workplace(folder: Path | None) -> Iterator[Workplace]:
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="espalier-demo-") as temporary:
            yield Workplace(folder=Path(temporary))
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_used = any(folder.iterdir())
    except OSError as error:
        raise Failure(f"{folder} cannot be used: {error.strerror}.", EXIT_INVALID) from error
    if is_used:
        raise Failure(f"{folder} is not empty: name a new folder.", EXIT_INVALID)
    yield Workplace(folder=folder.absolute())


def _run(place: Workplace, recipients: int) -> Outcome:
    from entrypoints.demo.run import Demo

    view = View()
    demo = Demo(place, view)
    try:
        with view:
            return asyncio.run(_until_terminated(demo, recipients))
    except DemoFailed as failed:
        raise Failure(_account(demo, view, failed), EXIT_FAILED) from failed
    except asyncio.CancelledError:
        raise Failure(f"Terminated. {_ALL_ENDED}", _EXIT_TERMINATED) from None


async def _until_terminated(demo: Demo, recipients: int) -> Outcome:
    """Run the demo; SIGTERM and SIGHUP cancel it, as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - asyncio.run has made one.
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    return await demo.run(recipients)


def _account(demo: Demo, view: View, failed: DemoFailed) -> str:
    """Say what failed, with the last that the processes have said."""
    lines = [f"The demo failed at this step: {view.doing}", f"  {failed}"]
    for child in demo.children:
        lines += ["", f"The last lines of `{child.name}`:"]
        lines += [f"  {line}" for line in child.last_lines()]
    lines += ["", "With --folder the whole logs are kept."]
    return "\n".join(lines)


def _next_steps(folder: Path | None) -> str:
    command = sys.argv[0] if Path(sys.argv[0]).name == "espalier" else "espalier"
    files = f"This demo's files are in {folder} to start from."
    if folder is None:
        files = f"`{command} demo --folder demo` leaves this demo's files in demo/ to start from."
    return (
        f"Next: describe your provider in a YAML file (see `{command} provider apply --help`),\n"
        f"start `{command} serve` and send with `{command} send`.\n{files}"
    )
