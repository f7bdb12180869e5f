"""`python -m tests.chaos`: every guarantee, batched and unbatched, under fire; `make chaos`."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tests.chaos.plan import Mode, Plan
from tests.chaos.report import EXPLANATION, HEADER, again, row
from tests.chaos.round import run_round

_BATCHES = [1, 100]

Modes = Annotated[
    list[Mode] | None, typer.Option("--mode", help="Only this; may be repeated. Without: all.")
]
Batches = Annotated[
    list[int] | None,
    typer.Option("--batch", min=1, max=1000, help="Messages a request; 1 and 100 without it."),
]
Messages = Annotated[int, typer.Option(min=1, help="In each round.")]
Seconds = Annotated[float, typer.Option(min=1, help="How long each round kills.")]
Seed = Annotated[int | None, typer.Option(help="Of all that is drawn; a new one without it.")]


def chaos(
    mode: Modes = None,
    batch: Batches = None,
    messages: Messages = 6_000,
    seconds: Seconds = 40.0,
    seed: Seed = None,
) -> None:
    """Kill the service again and again while it sends, and count what became of every message.

    Exit codes: 0 every promise was kept, 1 one was broken. The service takes its other settings
    from ESPALIER_* variables, as always.
    """
    drawn = secrets.randbelow(1_000_000) if seed is None else seed
    plans = [
        Plan(mode=each, batch=size, messages=messages, seconds=seconds, seed=drawn)
        for each in mode or Mode
        for size in batch or _BATCHES
    ]
    typer.echo(f"{EXPLANATION}\nseed {drawn}\n\n{HEADER}")
    kept = [_run(plan) for plan in plans]
    if not all(kept):
        raise typer.Exit(1)
    typer.echo("\nevery promise was kept")


def _run(plan: Plan) -> bool:
    folder = Path(tempfile.mkdtemp(prefix="espalier-chaos-"))
    faults: list[str] = []
    try:
        result = asyncio.run(run_round(plan, folder))
        faults += result.broken
        typer.echo(row(result))
    except* AssertionError as stuck:
        typer.echo(f"{plan.name} did not come to its end")
        faults += map(str, _leaves(stuck))
    for fault in faults:
        typer.echo(f"  BROKEN: {fault}")
    if faults:
        typer.echo(f"  data and log: {folder}\n  again: {again(plan)}")
    else:
        shutil.rmtree(folder)
    return not faults


def _leaves(group: BaseExceptionGroup[AssertionError]) -> Iterator[AssertionError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    typer.run(chaos)
