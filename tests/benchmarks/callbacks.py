"""How many callbacks are answered once they are on disk, beside a handler that stores nothing.

The service is `espalier serve` on a fresh SQLite file, with all that it does besides: while
callbacks come in, the states of their messages are folded. They are about a campaign of 200,000
that is scheduled for later, and come roughly in the order of its recipients. The floor is
`tests.benchmarks.bare` under the same client, in turns with the service. Two processes are measured
against one: on two cores they have to share them with the client, which an ESP is not, and so its
part is taken off; the folding has to be content with what is left.
Run it with `python -m tests.benchmarks.callbacks`.
"""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import aiohttp
import grpc.aio

from adapters.key_file import derive
from domain.message_id import MessageIds
from espalier.v1 import provider_pb2, provider_pb2_grpc
from tests.benchmarks import accept, verdict
from tests.benchmarks.loading import WRK, Answered, Load, fire
from tests.e2e.serving import Served, environment, serving
from tests.support import eventually, free_port

ROUNDS = 9
SECONDS = 2
# To each process. Half of them wait for a commit while the others are answered.
CONNECTIONS = 256
MESSAGES = 200_000
# ESPs report in the order of sending, give or take what is on its way.
_DISORDER = 5_000
_KEY = "ab" * 32
_FOLDED_WITHIN = 600


def message_ids() -> Sequence[str]:
    """Of the first campaign of a service, in the order in which they are reported."""
    chance, order = random.Random(1), list(range(MESSAGES))
    for first in range(0, MESSAGES, _DISORDER):
        some = order[first : first + _DISORDER]
        chance.shuffle(some)
        order[first : first + _DISORDER] = some
    ids = MessageIds(derive(bytes.fromhex(_KEY), "message ids"))
    return ids.campaign_messages(1, order)


@asynccontextmanager
async def service(
    folder: Path, processes: int, *, webhook: provider_pb2.WebhookMapping | None = None
) -> AsyncIterator[tuple[Served, str]]:
    """A service that has a campaign, and its callback URL."""
    folder.mkdir()
    environ = environment(
        folder,
        ESPALIER_CALLBACK_PROCESSES=str(processes),
        ESPALIER_SECRET_KEY=_KEY,
        ESPALIER_LOG_LEVEL="error",
    )
    async with serving(environ) as served:
        await accept.configure(served.grpc_address, webhook=webhook)
        await accept.send(served.grpc_address, MESSAGES)
        async with grpc.aio.insecure_channel(served.grpc_address) as channel:
            stub = provider_pb2_grpc.ProviderServiceStub(channel)
            asked = provider_pb2.GetProviderRequest(nickname="bench")
            provider = (await stub.GetProvider(asked)).provider
        yield served, provider.callback_url


@contextmanager
def floor(processes: int) -> Iterator[str]:
    """The URL of so many bare handlers."""
    port = free_port()
    command = (sys.executable, "-m", "tests.benchmarks.bare", str(port))
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(processes)]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline(), "the bare handler did not start"
        yield f"http://127.0.0.1:{port}/callbacks/token"
    finally:
        for process in started:
            process.kill()
            process.wait()


async def lag(served: Served) -> int:
    async with aiohttp.ClientSession() as session, session.get(served.url + "/readyz") as answer:
        return int((await answer.json())["fold_lag_events"])


async def is_folded(served: Served) -> bool:
    return await lag(served) == 0


async def fold_rate(served: Served, *, since: float) -> float:
    """Events folded a second, once nothing comes in any more; 0 where there was nothing left."""
    before = await lag(served)
    await eventually(partial(is_folded, served), _FOLDED_WITHIN)
    return before / (time.perf_counter() - since)


async def measure(folder: Path) -> bool:
    metas = folder / "metas"
    metas.write_text("\n".join(message_ids()) + "\n")
    one, many = (Load(metas, n, CONNECTIONS, SECONDS) for n in (1, 100))
    two = one._replace(connections=2 * CONNECTIONS)
    answers: dict[str, list[Answered]] = {}
    folded: list[float] = []

    async def shoot(name: str, url: str, load: Load, turn: int) -> None:
        answered = await asyncio.to_thread(fire, url, load, turn)
        # The first turn is for whatever is done only once.
        if turn % (ROUNDS + 1):
            answers.setdefault(name, []).append(answered)

    async with service(folder / "1", 1) as (first, url), service(folder / "2", 2) as (second, urls):
        with floor(1) as bare, floor(2) as bares:
            for turn in range(ROUNDS + 1):
                await shoot("bare", bare, one, turn)
                await shoot("one", url, one, turn)
                await fold_rate(first, since=time.perf_counter())
                await shoot("two", urls, two, turn)
                await fold_rate(second, since=time.perf_counter())
                await shoot("two bare", bares, two, turn)
                # Other events than those that came one by one.
                await shoot("hundred", url, many, ROUNDS + 1 + turn)
                folded.append(await fold_rate(first, since=time.perf_counter()))
                await shoot("bare hundred", bare, many, turn)
    return tell(answers, folded)


def tell(answers: dict[str, list[Answered]], folded: Sequence[float]) -> bool:
    """Prints what was measured; whether every limit is met."""
    if WRK is None:
        print("wrk is not installed (apt-get install wrk): a client in Python took its place, and")
        print("more of the cores than two processes can do without: the limit for them is left out")
    single = _ratio(answers["one"], answers["bare"])
    double = _times(answers["two"], answers["one"])
    bare_double = _times(answers["two bare"], answers["bare"])
    met_single, met_double = single >= 0.8, double >= 1.7 or WRK is None
    print(
        f"callbacks, one event each: {_shown(answers['one'])}; bare aiohttp handler: "
        f"{_shown(answers['bare'])}; ratio {single:.2f} (at least 0.8) {verdict(met_single)}"
    )
    print(
        f"callbacks, two processes: {_shown(answers['two'])}; {double:.2f} times one process, "
        f"the client not counted (at least 1.7) {verdict(met_double)}; two bare handlers: "
        f"{_shown(answers['two bare'])}, {bare_double:.2f} times one"
    )
    events = 100 * median(each.per_second for each in answers["hundred"])
    print(
        f"callbacks, 100 events each: {events:,.0f} events/s, {_shown(answers['hundred'])}; bare "
        f"aiohttp handler: {_shown(answers['bare hundred'])}; folded afterwards: "
        f"{median(folded):,.0f} events/s",
        flush=True,
    )
    return met_single and met_double


def _shown(answers: Sequence[Answered]) -> str:
    rate, middle, p99, _ = (median(column) for column in zip(*answers, strict=True))
    return f"{rate:,.0f} answers/s, median {middle:.0f} ms, p99 {p99:.0f} ms"


def _ratio(ours: Sequence[Answered], floors: Sequence[Answered]) -> float:
    pairs = zip(ours, floors, strict=True)
    return median(mine.per_second / theirs.per_second for mine, theirs in pairs)


def _times(two: Sequence[Answered], one: Sequence[Answered]) -> float:
    """How much more two processes answer, on the cores that the client leaves them.

    Two fill them; beside one there is room for the client, and nothing to make up for.
    """
    cores = os.cpu_count() or 1
    pairs = zip(two, one, strict=True)
    return median(
        both.per_second / (1 - both.client_cores / cores) / alone.per_second
        for both, alone in pairs
    )


def main() -> bool:
    with TemporaryDirectory() as folder:
        return asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
