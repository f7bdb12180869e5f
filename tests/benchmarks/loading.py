"""Who posts callbacks as fast as they are answered, each with events that were never posted before.

That is wrk, if it is installed (Debian: `apt-get install wrk`): it takes some microseconds of the
processor for a request. Without it a client on uvloop does, which takes some twenty: `python -m
tests.benchmarks.loading URL FILE EVENTS ROUND CONNECTIONS SECONDS`. The file has a message id a
line; the round goes into the events, which so are others than those of the round before.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import uvloop

WRK = shutil.which("wrk")
# Posted after each other: a program that leaves room for more answers than are ever measured.
_TIMESTAMP = 1_750_000_000

_LUA = """
local path, per, at, metas = nil, nil, 0, {}
function init(args)
  path, per, round = args[1], tonumber(args[3]), tonumber(args[4])
  for line in io.lines(args[2]) do metas[#metas + 1] = line end
end
function request()
  local events = {}
  for i = 1, per do
    local n = #metas
    events[i] = string.format(
      '{"type":"delivered","email":"person%07d@example.com","meta":"%s","timestamp":%d}',
      at % n, metas[at % n + 1], 1750000000 + round * 1000 + math.floor(at / n))
    at = at + 1
  end
  return wrk.format("POST", path, {["Content-Type"] = "application/json"},
    '{"version":"v2","events":{"success":[' .. table.concat(events, ",") .. ']}}')
end
function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


class Load(NamedTuple):
    """`metas` is a file of message ids; so many events go into a request."""

    metas: Path
    events: int
    connections: int
    seconds: int


class Answered(NamedTuple):
    """Answers with status 200 a second; latencies in milliseconds."""

    per_second: float
    median_ms: float
    p99_ms: float


def fire(url: str, load: Load, turn: int) -> Answered:
    """Raises SystemExit where anything is answered otherwise."""
    run = _with_wrk if WRK else _with_uvloop
    number, seconds, median_ms, p99_ms, bad = run(url, load, turn)
    if bad:
        raise SystemExit(f"{bad} of {number} callbacks were not answered 200")
    return Answered(number / seconds, median_ms, p99_ms)


def _with_wrk(url: str, load: Load, turn: int) -> tuple[int, float, float, float, int]:
    script = load.metas.with_suffix(".lua")
    script.write_text(_LUA)
    parts = urlsplit(url)
    flags = ("-t1", f"-c{load.connections}", f"-d{load.seconds}s", "--timeout", "30s")
    own = (parts.path, str(load.metas), str(load.events), str(turn))
    base = f"{parts.scheme}://{parts.netloc}"
    command = (str(WRK), *flags, "-s", str(script), base, "--", *own)
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    (line,) = (line for line in said.splitlines() if line.startswith("RESULT "))
    number, micros, median, p99, bad = map(int, line.split()[1:])
    return number, micros / 1e6, median / 1e3, p99 / 1e3, bad


def _with_uvloop(url: str, load: Load, turn: int) -> tuple[int, float, float, float, int]:
    own = (str(load.metas), str(load.events), str(turn), str(load.connections), str(load.seconds))
    command = (sys.executable, "-m", __name__, url, *own)
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    number, seconds, median, p99, bad = json.loads(ran.stdout)
    return number, seconds, median, p99, bad


def requests(path: str, load: Load, turn: int) -> Iterator[bytes]:
    """What the client on uvloop posts."""
    metas = load.metas.read_text().split()
    at = 0
    while True:
        events = []
        for _ in range(load.events):
            lap, place = divmod(at, len(metas))
            events.append(
                b'{"type":"delivered","email":"person%07d@example.com","meta":"%b","timestamp":%d}'
                % (place, metas[place].encode(), _TIMESTAMP + turn * 1000 + lap)
            )
            at += 1
        body = b'{"version":"v2","events":{"success":[%b]}}' % b",".join(events)
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        yield head.encode() + body


class _Client(asyncio.Protocol):
    """One connection, which posts the next request as soon as one was answered."""

    def __init__(self, made: Iterator[bytes], statuses: Counter[bytes], took: list[float]) -> None:
        self._made, self._statuses, self._took = made, statuses, took
        self._posted_at = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._post()

    def data_received(self, data: bytes) -> None:
        # An answer of less than a packet; it comes whole.
        self._took.append(time.perf_counter() - self._posted_at)
        self._statuses[data[9:12]] += 1
        self._post()

    def _post(self) -> None:
        if self._transport is not None:
            self._posted_at = time.perf_counter()
            self._transport.write(next(self._made))


async def _fire(url: str, load: Load, turn: int) -> tuple[int, float, float, float, int]:
    parts = urlsplit(url)
    made = requests(parts.path, load, turn)
    statuses: Counter[bytes] = Counter()
    took: list[float] = []
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    for _ in range(load.connections):
        await loop.create_connection(
            lambda: _Client(made, statuses, took), parts.hostname or "", parts.port or 80
        )
    await asyncio.sleep(load.seconds)
    seconds, number = time.perf_counter() - started, statuses.total()
    cuts = quantiles(took, n=100)
    return number, seconds, cuts[49] * 1e3, cuts[98] * 1e3, number - statuses[b"200"]


if __name__ == "__main__":
    address, metas, *numbers = sys.argv[1:]
    events, turn, connections, seconds = map(int, numbers)
    asked = Load(Path(metas), events, connections, seconds)
    print(json.dumps(uvloop.run(_fire(address, asked, turn))))
