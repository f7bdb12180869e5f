"""Where a file has the recipients that the service finds fault with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from entrypoints.cli.failures import Failure
from entrypoints.cli.recipients import read_with_lines

_ONE: Final = re.compile(r"recipients\[([0-9]+)\]\.?")


class RecipientPlaces:
    """A failures.Place: `people.csv:12: replacements.age` for `recipients[10].replacements.age`.

    The file is read once more, as far as needed; lines are not kept for recipients that nobody may
    ask for. Violations come in the order of the recipients, so that one pass finds them all.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: Iterator[int] = iter(())
        self._next = -1

    def __call__(self, field: str) -> str:
        if field == "recipients":
            return str(self._path)
        match = _ONE.match(field)
        line = self._line(int(match[1])) if match else None
        if match is None or line is None:
            return field
        rest = field[match.end() :]
        return f"{self._path}:{line}: {rest}" if rest else f"{self._path}:{line}"

    def _line(self, index: int) -> int | None:
        """Return the line of recipient number `index` (from 0); None: it is not there any more."""
        # A pipe gives what it holds only once.
        if not self._path.is_file():
            return None
        if not 0 <= self._next <= index:
            self._lines, self._next = (line for line, _ in read_with_lines(self._path)), 0
        try:
            line = next(islice(self._lines, index - self._next, None), None)
        except Failure:
            return None
        self._next = index + 1
        return line
