"""What the benchmarks make of their figures; the figures themselves are theirs to measure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import accept, render

_RUN = "import sys; from tests.benchmarks.__main__ import run; sys.exit(run(sys.argv[1:]))"


def _run(folder: Path, **modules: str) -> tuple[int, list[str]]:
    """Run modules of this code as benchmarks; the exit code and the lines of standard output."""
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *modules],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout.splitlines()


def test_a_benchmark_that_misses_or_breaks_is_named_last_and_those_behind_it_run(
    tmp_path: Path,
) -> None:
    code, said = _run(
        tmp_path,
        slow="import sys; print('slow: MISSED'); sys.exit(1)",
        broken="raise RuntimeError",
        fine="print('fine: met')",
    )
    assert code == 1
    assert said == [
        *("slow: MISSED", "fine: met"),
        "FAILED: slow, broken (see MISSED, or an error, above)",
    ]


def test_where_all_limits_are_met_the_last_line_says_so(tmp_path: Path) -> None:
    assert _run(tmp_path, fine="print('met')") == (0, ["met", "Every limit is met."])


@pytest.mark.parametrize(
    ("many", "met", "shown"),
    [(240.0, True, "1.200 (at most 1.2) met"), (241.0, False, "1.205 (at most 1.2) MISSED")],
)
def test_memory_that_grows_with_the_campaign_misses_the_limit(
    capsys: pytest.CaptureFixture[str], many: float, met: bool, shown: str
) -> None:
    assert accept.keeps_memory(200.0, many) is met
    assert capsys.readouterr().out.strip().endswith(f"1,000,000, beside 100,000: ratio {shown}")


@pytest.mark.parametrize(
    ("ratio", "limit", "met", "shown"),
    [(0.5, 0.5, True, "0.5 met"), (0.51, 0.5, False, "0.5 MISSED"), (9.0, None, True, "9.00")],
)
def test_a_case_of_rendering_is_told_with_its_limit_where_it_has_one(
    capsys: pytest.CaptureFixture[str], ratio: float, limit: float | None, met: bool, shown: str
) -> None:
    case = render.Case("a case", 1, personal=False, batched=False, limit=limit)
    assert render.tell(render.Result(case, 1.0, 1.0, ratio)) is met
    assert capsys.readouterr().out.strip().endswith(shown)
