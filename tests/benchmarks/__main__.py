"""Runs every benchmark: `make bench`.

Each is a module that measures and prints, and ends with an exit code other than 0 where a limit is
missed. They run one after the other in processes of their own, whatever becomes of those before.
"""

import subprocess
import sys
from collections.abc import Sequence

BENCHMARKS = (
    "tests.benchmarks.render",
    "tests.benchmarks.accept",
    "tests.benchmarks.dispatch",
    "tests.benchmarks.shares",
    "tests.benchmarks.durability",
    "tests.benchmarks.limits",
    "tests.benchmarks.lanes",
    "tests.benchmarks.takeover",
    "tests.benchmarks.callbacks",
    "tests.benchmarks.webhooks",
    "tests.benchmarks.streaming",
    "tests.benchmarks.burst",
)


def run(modules: Sequence[str]) -> int:
    """Run these modules; the exit code of all, after a last line that names what went wrong."""
    ended = {each: subprocess.run([sys.executable, "-m", each]).returncode for each in modules}
    bad = [each.rpartition(".")[2] for each, code in ended.items() if code]
    if bad:
        print(f"FAILED: {', '.join(bad)} (see MISSED, or an error, above)", flush=True)
        return 1
    print("Every limit is met.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run(BENCHMARKS))
