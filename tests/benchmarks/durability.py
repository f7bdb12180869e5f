"""What it costs that intents and outcomes are on disk before anything else happens.

The same campaign twice, by the same dispatcher in this process: once as always, and once with a
queue that says of every step that it is stored and stores none. Run it with
`python -m tests.benchmarks.durability`; it has no limit to meet.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import uvloop

from domain.message import MessageState
from entrypoints.bootstrap import Parts, parts, transport
from entrypoints.settings_loader import load
from services.ports import Claim, Recorded, Step, WorkQueue
from tests.benchmarks.dispatch import CONNECTIONS, ROUNDS, Load, config, people, spec
from tests.benchmarks.sinks import sink

LOADS = {
    "unbatched, 2 KB": Load(20_000, "x" * 1_850),
    "batched by 1,000, 2 KB": Load(100_000, "x" * 1_850, batch=1_000),
}


class Watched:
    """A work queue that counts what is accepted, and sets `done` at the last of `messages`."""

    def __init__(self, queue: WorkQueue, *, messages: int, stores: bool) -> None:
        self._queue = queue
        self._left = messages
        self._stores = stores
        self.done = asyncio.Event()

    async def claim(
        self,
        worker: str,
        *,
        limit: int,
        lease_seconds: float,
        small_only: bool = False,
        busy: Collection[int] = (),
    ) -> Sequence[Claim]:
        return await self._queue.claim(
            worker, limit=limit, lease_seconds=lease_seconds, small_only=small_only, busy=busy
        )

    async def record(self, steps: Sequence[Step]) -> Sequence[Recorded]:
        recorded: Sequence[Recorded] = [Recorded.STORED] * len(steps)
        if self._stores:
            recorded = await self._queue.record(steps)
        moves = [move for step in steps for move in step.moves]
        accepted = [move for move in moves if move.new is MessageState.ACCEPTED]
        self._left -= sum(len(move.ordinals) for move in accepted)
        if self._left == 0:
            self.done.set()
        return recorded

    async def renew(self, worker: str, *, lease_seconds: float) -> None:
        await self._queue.renew(worker, lease_seconds=lease_seconds)

    async def recover(self) -> int:
        return await self._queue.recover()

    async def start_due(self) -> int:
        return await self._queue.start_due()

    async def wait(self, *, timeout_seconds: float) -> None:
        await self._queue.wait(timeout_seconds=timeout_seconds)


class Cost(NamedTuple):
    seconds: float
    cpu_seconds: float


async def run(
    load_: Load,
    url: str,
    *,
    stores: bool,
    watching: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Cost:
    """Sends a campaign, accepted beforehand; `watching` is entered for the sending alone."""
    with TemporaryDirectory() as folder:
        settings = load({"ESPALIER_DATA_DIR": folder, "ESPALIER_LOG_LEVEL": "warning"})
        async with parts(settings) as made, transport(settings) as carrier:
            await made.providers.configure("p", lambda _: config("p", url, load_))
            await made.send_campaign()(spec("p", load_), people(load_.messages))
            queue = Watched(made.queue, messages=load_.messages, stores=stores)
            watched: Parts = replace(made, queue=queue)
            worker, stopping = watched.dispatcher(carrier, name="w"), asyncio.Event()
            began, cpu = time.perf_counter(), time.process_time()
            with watching():
                running = asyncio.create_task(worker.run(stopping))
                await queue.done.wait()
            cost = Cost(time.perf_counter() - began, time.process_time() - cpu)
            stopping.set()
            await running
    return cost


async def measure() -> None:
    with TemporaryDirectory() as folder, sink(Path(folder), tls=False) as target:
        for name, load_ in LOADS.items():
            costs: dict[bool, list[Cost]] = {True: [], False: []}
            for _ in range(ROUNDS):
                for stores in (True, False):
                    costs[stores].append(await run(load_, target.url, stores=stores))
            tell(name, load_.messages, costs)


def tell(name: str, messages: int, costs: dict[bool, list[Cost]]) -> None:
    rate = {stores: messages / median(c.seconds for c in each) for stores, each in costs.items()}
    cpu = {
        stores: median(c.cpu_seconds for c in each) / messages * 1e6
        for stores, each in costs.items()
    }
    slower = median(
        kept.seconds / forgotten.seconds
        for kept, forgotten in zip(costs[True], costs[False], strict=True)
    )
    print(
        f"durability, {name}, {CONNECTIONS} in flight: {rate[True]:,.0f} messages/s and "
        f"{cpu[True]:.0f} µs of the processor each; {rate[False]:,.0f}/s and {cpu[False]:.0f} µs "
        f"with nothing stored: {slower:.2f} times as long",
        flush=True,
    )


if __name__ == "__main__":
    uvloop.run(measure())
