"""What a callback costs that is read by a webhook mapping, beside one of version v2.

Two services as in `tests.benchmarks.callbacks`, of one process each, are asked in turns. Both get
the same events; one reads them by eight expressions, of which two are more than a path, and keeps
each request besides, as is the default. Run it with `python -m tests.benchmarks.webhooks`.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from espalier.v1 import provider_pb2
from tests.benchmarks import verdict
from tests.benchmarks.callbacks import CONNECTIONS, fold_rate, message_ids, service
from tests.benchmarks.loading import Answered, Load, fire

ROUNDS = 7
SECONDS = 2
# So many times a callback of version v2.
MOST = 2.0
# To each process, by how many events a request has.
_CONNECTIONS = {1: CONNECTIONS, 100: 16}
MAPPING = provider_pb2.WebhookMapping(
    events="body.events.success",
    skip="event.test",
    type="join('.', [event.type, event.class || ''])",
    types=[
        provider_pb2.TypeRule(pattern="bounce.*", type=provider_pb2.WEBHOOK_TYPE_HARD_BOUNCE),
        provider_pb2.TypeRule(pattern="delivered.*", type=provider_pb2.WEBHOOK_TYPE_DELIVERED),
    ],
    email="event.email || event.recipient",
    meta="event.meta || header(event.headers, 'x-mid')",
    timestamp="event.timestamp",
    description="event.reason",
)


async def measure(folder: Path) -> bool:
    metas = folder / "metas"
    metas.write_text("\n".join(message_ids()) + "\n")
    answers: dict[str, list[Answered]] = {}
    async with (
        service(folder / "v2", 1) as (plain, plain_url),
        service(folder / "mapped", 1, webhook=MAPPING) as (mapped, mapped_url),
    ):
        for turn in range(ROUNDS + 1):
            for events in _CONNECTIONS:
                v2 = Load(metas, events, _CONNECTIONS[events], SECONDS)
                number = turn + (ROUNDS + 1) * (events > 1)
                for name, url, load, served in (
                    (f"v2 {events}", plain_url, v2, plain),
                    (f"mapped {events}", mapped_url, v2._replace(version="esp"), mapped),
                ):
                    answered = await asyncio.to_thread(fire, url, load, number)
                    await fold_rate(served, since=time.perf_counter())
                    # The first turn is for whatever is done only once.
                    if turn:
                        answers.setdefault(name, []).append(answered)
    return tell(answers)


def tell(answers: dict[str, list[Answered]]) -> bool:
    """Prints what was measured; whether every limit is met."""
    met = True
    for events in _CONNECTIONS:
        v2, mapped = answers[f"v2 {events}"], answers[f"mapped {events}"]
        cost = median(a.per_second / b.per_second for a, b in zip(v2, mapped, strict=True))
        limit = ""
        if events == 1:
            met = cost <= MOST
            limit = f" (at most {MOST:g}) {verdict(met)}"
        print(
            f"mapped callbacks, {events} event{'s' * (events > 1)} each: {_rate(mapped):,.0f}"
            f" answers/s; version v2: {_rate(v2):,.0f}; cost {cost:.2f} times{limit}",
            flush=True,
        )
    return met


def _rate(answers: Sequence[Answered]) -> float:
    return median(each.per_second for each in answers)


def main() -> bool:
    with TemporaryDirectory() as folder:
        return asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
