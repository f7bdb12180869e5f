"""What a dispatcher spends its time on, in batches of 1,000 messages with 25 KB of HTML.

Each millisecond of the processor a signal looks at where the program is: at rendering, at posting
(libcurl and what is around it), or elsewhere. At most a quarter may be elsewhere. Run it with
`python -m tests.benchmarks.shares`.
"""

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import FrameType

import uvloop

from tests.benchmarks import verdict
from tests.benchmarks.dispatch import ROUNDS, Load
from tests.benchmarks.durability import run
from tests.benchmarks.sinks import sink

_EVERY_SECONDS = 0.001
_MOST_ELSEWHERE = 0.25
_ROW = "<td>Text and &quot;markup&quot;</td>\n" * 650
LOADS = {
    "shared": Load(150_000, '<p>Grüße &amp; "alle"</p>\n' + _ROW, batch=1_000),
    "personal": Load(150_000, '<p>Grüße, $$name &amp; "alle"</p>\n' + _ROW, batch=1_000),
}
_PLACES = {"/domain/rendering.py": "rendering", "/adapters/curl/worker.py": "posting"}


@contextmanager
def sampled(seen: Counter[str]) -> Iterator[None]:
    """Counts how often the program is seen at each of the places, while the block runs."""

    def look(_: int, frame: FrameType | None) -> None:
        seen[_place(frame)] += 1

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, _EVERY_SECONDS, _EVERY_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _place(frame: FrameType | None) -> str:
    while frame is not None:
        for ending, place in _PLACES.items():
            if frame.f_code.co_filename.endswith(ending):
                return place
        frame = frame.f_back
    return "elsewhere"


async def measure() -> bool:
    met = []
    with TemporaryDirectory() as folder, sink(Path(folder), tls=False) as target:
        for name, load in LOADS.items():
            rates: list[float] = []
            shares: list[Counter[str]] = []
            for _ in range(ROUNDS):
                seen: Counter[str] = Counter()
                watching = partial(sampled, seen)
                cost = await run(load, target.url, stores=True, watching=watching)
                rates.append(load.messages / cost.seconds)
                shares.append(seen)
            met.append(_tell(name, median(rates), shares))
    return all(met)


def _tell(name: str, rate: float, shares: list[Counter[str]]) -> bool:
    part = {
        place: median(each[place] / each.total() for each in shares)
        for place in ("rendering", "posting", "elsewhere")
    }
    met = part["elsewhere"] <= _MOST_ELSEWHERE
    print(
        f"dispatch batched by 1,000, 25 KB of {name} HTML: {rate:,.0f} messages/s; "
        f"{part['rendering']:.0%} of the time rendering, {part['posting']:.0%} posting, "
        f"{part['elsewhere']:.0%} elsewhere (at most 25%) {verdict(met)}",
        flush=True,
    )
    return met


if __name__ == "__main__":
    sys.exit(0 if uvloop.run(measure()) else 1)
