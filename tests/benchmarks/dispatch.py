"""How fast campaigns are sent, from SendCampaign to the last durable outcome.

The dispatchers are processes of their own (`espalier dispatch`) on a fresh SQLite file; this
process accepts the campaigns and watches for their end. They post to `espalier simulate-esp
--sink`, and so do the floors: bare loops of aiohttp, of libcurl through PycURL, and wrk where it is
installed. Every round measures all of them, one after the other, with as many connections each.
Run it with `python -m tests.benchmarks.dispatch`.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from domain.campaign import CampaignSpec, Content, Recipient
from domain.message import MessageState
from domain.provider import Batch, Limits, ProviderConfig, RequestType
from entrypoints.bootstrap import Parts, parts
from entrypoints.settings_loader import load
from tests.benchmarks import verdict
from tests.benchmarks.posting import post, with_wrk
from tests.benchmarks.sinks import Sink, cpu_seconds, peak_mib, sink
from tests.support import eventually

ROUNDS = 5
CONNECTIONS = 128
_CHUNK = 1000
_LONGEST_SECONDS = 600
_FIELDS = '"to": "$$To", "mid": "$$MessageID", "name": "$$FromName", "from": "$$FromAddress", '
_MESSAGE = "{" + _FIELDS + '"subject": "$$Subject", "html": "$$HTML"}'


class Load(NamedTuple):
    """A campaign: how many messages, of which size, how many in a request, and in flight."""

    messages: int
    html: str
    batch: int | None = None
    in_flight: int = CONNECTIONS


class Sent(NamedTuple):
    """`seconds` from the call of SendCampaign, `sending` of them after its answer."""

    seconds: float
    sending: float
    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Service:
    """Dispatchers at work on a database, and the ports on it."""

    parts: Parts
    pids: Sequence[int]

    async def send(self, load: Load, url: str) -> Sent:
        name = f"p{time.monotonic_ns()}"
        await self.parts.providers.configure(name, lambda _: config(name, url, load))
        started = time.perf_counter()
        sent = await self.parts.send_campaign()(spec(name, load), people(load.messages))
        accepted, cpu = time.perf_counter(), cpu_seconds(self.pids)
        await eventually(partial(self._has_ended, sent.campaign.number), _LONGEST_SECONDS)
        ended = time.perf_counter()
        counts = (await self.parts.campaigns.get(sent.campaign.number)).counts
        if counts[MessageState.ACCEPTED] != load.messages:
            raise SystemExit(f"not everything was accepted: {counts}")
        return Sent(
            seconds=ended - started,
            sending=ended - accepted,
            cpu_seconds=cpu_seconds(self.pids) - cpu,
            peak_mib=max(map(peak_mib, self.pids)),
        )

    async def _has_ended(self, number: int) -> bool:
        return (await self.parts.campaigns.get(number)).state.ended


@asynccontextmanager
async def dispatching(processes: int, target: Sink) -> AsyncIterator[Service]:
    with TemporaryDirectory() as folder:
        own = {
            "ESPALIER_DATA_DIR": folder,
            "ESPALIER_DISPATCHERS": str(processes),
            "ESPALIER_LOG_LEVEL": "warning",
        }
        if target.ca_file is not None:
            own["ESPALIER_CA_FILE"] = str(target.ca_file)
        async with parts(load(own)) as made:
            command = (sys.executable, "-m", "entrypoints.main", "dispatch")
            started = [
                await asyncio.create_subprocess_exec(*command, env={**os.environ, **own})
                for _ in range(processes)
            ]
            try:
                service = Service(made, [process.pid for process in started])
                # Whoever has sent something has loaded all it needs, and is connected.
                await service.send(Load(_CHUNK * processes * 4, "x"), target.url)
                yield service
            finally:
                for process in started:
                    process.send_signal(signal.SIGTERM)
                await asyncio.gather(*(process.wait() for process in started))


async def unbatched(*, tls: bool) -> bool:
    load, size = Load(30_000, "x" * 1_850), 2_048
    with TemporaryDirectory() as folder, sink(Path(folder), tls=tls) as target:
        rates: dict[str, list[float]] = {}
        sink_cpu: list[float] = []
        async with dispatching(1, target) as service:
            for _ in range(ROUNDS):
                sent = await service.send(load, target.url)
                rates.setdefault("espalier", []).append(load.messages / sent.seconds)
                for client, number in (("aiohttp", 10_000), ("pycurl", 30_000)):
                    before = cpu_seconds([target.pid])
                    posted = await asyncio.to_thread(
                        post, client, target.url, number, size=size, connections=CONNECTIONS
                    )
                    rates.setdefault(client, []).append(number / posted.seconds)
                    sink_cpu.append((cpu_seconds([target.pid]) - before) / number)
                wrk = await asyncio.to_thread(
                    with_wrk, target.url, size=size, connections=CONNECTIONS
                )
                if wrk is not None:
                    rates.setdefault("wrk", []).append(wrk)
    return _tell_unbatched("TLS" if tls else "plain", rates, median(sink_cpu))


def _tell_unbatched(how: str, rates: dict[str, list[float]], sink_cpu: float) -> bool:
    middle = {name: median(each) for name, each in rates.items()}
    by_aiohttp = _ratio(rates["espalier"], rates["aiohttp"])
    by_pycurl = _ratio(rates["espalier"], rates["pycurl"])
    met = by_aiohttp >= 3 and by_pycurl >= 0.7
    floors = ", ".join(f"{name} {rate:,.0f}" for name, rate in middle.items() if name != "espalier")
    print(
        f"dispatch unbatched, 2 KB, {how}: {middle['espalier']:,.0f} messages/s; floors: {floors}; "
        f"{by_aiohttp:.2f} of aiohttp (at least 3), {by_pycurl:.2f} of PycURL (at least 0.7) "
        f"{verdict(met)}; the sink costs {sink_cpu * 1e6:.0f} µs a request",
        flush=True,
    )
    return met


async def two_processes() -> bool:
    # Of what may be in flight each has only its half, which is not what is measured.
    load = Load(40_000, "x" * 1_850, in_flight=4 * CONNECTIONS)
    with TemporaryDirectory() as folder, sink(Path(folder), tls=False) as target:
        rates: dict[int, list[float]] = {1: [], 2: []}
        async with dispatching(1, target) as one, dispatching(2, target) as two:
            for _ in range(ROUNDS):
                for processes, service in ((1, one), (2, two)):
                    busy = cpu_seconds([target.pid])
                    sent = await service.send(load, target.url)
                    busy = cpu_seconds([target.pid]) - busy
                    # The sink takes its share of the same cores, which an ESP would not.
                    cores = os.cpu_count() or 1
                    left = sent.sending * (1 - min(0.9, busy / (cores * sent.sending)))
                    rates[processes].append(load.messages / left)
    ratio = _ratio(rates[2], rates[1])
    print(
        f"two dispatchers: {median(rates[2]):,.0f} messages/s, one: {median(rates[1]):,.0f} "
        f"(sink not counted); {ratio:.2f} times (at least 1.6) {verdict(ratio >= 1.6)}",
        flush=True,
    )
    return ratio >= 1.6


async def memory() -> bool:
    """A dispatcher's peak over a campaign of a million, beside that of a tenth."""
    with TemporaryDirectory() as folder, sink(Path(folder), tls=False) as target:
        async with dispatching(1, target) as service:
            few = await service.send(Load(100_000, "x" * 1_850, batch=_CHUNK), target.url)
            many = await service.send(Load(1_000_000, "x" * 1_850, batch=_CHUNK), target.url)
    ratio = many.peak_mib / few.peak_mib
    print(
        f"memory of a dispatcher: {few.peak_mib:.0f} MiB after 100,000 messages, "
        f"{many.peak_mib:.0f} MiB after 1,000,000, ratio {ratio:.2f} (at most 1.2) "
        f"{verdict(ratio <= 1.2)}; {1_000_000 / many.seconds:,.0f} messages/s in batches of 1,000",
        flush=True,
    )
    return ratio <= 1.2


def _ratio(ours: Sequence[float], floor: Sequence[float]) -> float:
    return median(mine / theirs for mine, theirs in zip(ours, floor, strict=True))


def config(name: str, url: str, load: Load) -> ProviderConfig:
    return ProviderConfig(
        nickname=name,
        request_type=RequestType.POST,
        http_endpoint=url,
        parameters=_MESSAGE if load.batch is None else f'{{"messages": [{_MESSAGE}]}}',
        batch=None if load.batch is None else Batch(max_messages=load.batch),
        limits=Limits(max_in_flight=load.in_flight),
    )


def spec(name: str, load: Load) -> CampaignSpec:
    content = Content(
        subject="Hello", from_name="Bench", from_address="bench@example.com", html=load.html
    )
    return CampaignSpec(request_id=name, provider=name, content=content)


async def people(number: int) -> AsyncIterator[Sequence[Recipient]]:
    for first in range(0, number, _CHUNK):
        yield [
            Recipient(f"person{i}@example.com", f"P{i}")
            for i in range(first, min(number, first + _CHUNK))
        ]


async def measure() -> bool:
    met = [
        await unbatched(tls=False),
        await unbatched(tls=True),
        await two_processes(),
        await memory(),
    ]
    return all(met)


def main() -> bool:
    return asyncio.run(measure())


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
