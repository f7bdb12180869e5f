"""What the demo shows while it runs: a line for each step, and progress bars on a terminal."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

SENDING: Final = "sending"
CALLBACKS: Final = "callbacks"


class View:
    """Writes to standard output; a context manager, since bars are drawn while it lasts."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._progress = Progress(
            TextColumn("  {task.description:<9}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._bars: dict[str, TaskID] = {}
        self.doing = ""

    def __enter__(self) -> View:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, doing: str) -> None:
        """Say what is done now; it is what a failure is told with."""
        self.doing = doing
        self._console.print(Text(f"{doing} ..."), soft_wrap=True)

    def bar(self, name: str, completed: int, total: int) -> None:
        """Show how far it is; a name that is new gets a bar of its own."""
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._bars[name], completed=completed, total=total)
