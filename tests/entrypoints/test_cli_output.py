"""How tables and lists look at a terminal, and where there is none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from entrypoints.cli.output import print_facts, print_table
from tests.entrypoints.screen import screen

_LONG = "because of " + "very " * 200 + "much"
_ROWS = [("a", _LONG), ("two\nlines\tand [red]", ""), ("c", "x")]
_FACTS = {"Name": "acme", "Nothing": "", "Template": f"{{\n  {_LONG}\n}}\n"}


def test_a_table_in_a_pipe_is_a_row_a_line_and_not_padded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(("WHO", "WHY"), _ROWS, "None.")
    assert capsys.readouterr().out.splitlines() == [
        "WHO\tWHY",
        f"a\t{_LONG}",
        "two lines and [red]\t",
        "c\tx",
    ]


def test_a_table_without_rows_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("WHO", "WHY"), [], "There is nobody.")
    assert capsys.readouterr().out == "There is nobody.\n"


def test_facts_in_a_pipe_are_neither_broken_nor_padded(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts(_FACTS)
    assert capsys.readouterr().out.splitlines() == [
        "Name      acme",
        "Template  {",
        f"            {_LONG}",
        "          }",
    ]


def _at_a_terminal(code: str) -> list[str]:
    """Return the lines that a new interpreter prints to a terminal of 40 columns."""
    with screen() as terminal:
        subprocess.run(
            [sys.executable, "-c", f"from entrypoints.cli.output import *\n{code}"],
            env={**os.environ, "COLUMNS": "40", "TERM": "xterm"},
            stdout=terminal.fd,
            check=True,
            timeout=60,
        )
        return terminal.lines()


def test_a_table_at_a_terminal_has_columns_that_fit_its_width() -> None:
    shown = _at_a_terminal("print_table(('WHO', 'WHY'), [('ann', 'is not ' * 9), ('b', 'x')], '')")
    assert shown[0].split() == ["WHO", "WHY"]
    assert [line[:5] for line in shown] == ["WHO  ", "ann  ", "     ", "b    "]
    assert max(map(len, shown)) <= 40


def test_facts_at_a_terminal_fit_its_width() -> None:
    shown = _at_a_terminal("print_facts({'Name': 'is not ' * 9, 'Empty': '', 'N': 'x'})")
    assert [line[:6] for line in shown] == ["Name  ", "      ", "N     "]
    assert max(map(len, shown)) <= 40
