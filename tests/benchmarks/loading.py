"""Who posts callbacks as fast as they are answered, each with events that were never posted before.

That is wrk, if it is installed (Debian: `apt-get install wrk`): it takes some microseconds of the
processor for a request. Without it a client on uvloop does, which takes some twenty: `python -m
tests.benchmarks.loading URL FILE EVENTS ROUND CONNECTIONS SECONDS VERSION`. The file has a message
id a line; the round goes into the events, which so are others than those of the round before.
"""

import asyncio
import json
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import uvloop

WRK = shutil.which("wrk")
_TIMESTAMP = 1_750_000_000

_LUA = """
local open, shut = nil, ']}}'
local head, before, after, per, at, metas = nil, nil, nil, nil, 0, {}
function init(args)
  per = tonumber(args[3])
  for line in io.lines(args[2]) do metas[#metas + 1] = line end
  open = '{"version":"' .. args[5] .. '","events":{"success":['
  before = '{"type":"delivered","email":"person@example.com","meta":"'
  after = '","timestamp":' .. 1750000000 + tonumber(args[4]) .. '}'
  local size = #open + per * (#before + #metas[1] + #after) + per - 1 + #shut
  head = 'POST ' .. args[1] .. ' HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n' ..
    'Content-Type: application/json\\r\\nContent-Length: ' .. size .. '\\r\\n\\r\\n' .. open
end
local function event()
  at = at % #metas + 1
  return before .. metas[at] .. after
end
function request()
  if per == 1 then return head .. event() .. shut end
  local events = {}
  for i = 1, per do events[i] = event() end
  return head .. table.concat(events, ",") .. shut
end
function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


class Load(NamedTuple):
    """`metas` is a file of message ids; so many events go into a request.

    With another `version` than v2 it is a body for a webhook mapping.
    """

    metas: Path
    events: int
    connections: int
    seconds: int
    version: str = "v2"


class Answered(NamedTuple):
    """Answers with status 200 a second; latencies in milliseconds.

    `client_cores` is how many cores the client had to itself, on average.
    """

    per_second: float
    median_ms: float
    p99_ms: float
    client_cores: float


def fire(url: str, load: Load, turn: int) -> Answered:
    """Raises SystemExit where anything is answered otherwise."""
    run = _with_wrk if WRK else _with_uvloop
    before = _cpu_of_children()
    number, seconds, median_ms, p99_ms, bad = run(url, load, turn)
    if bad:
        raise SystemExit(f"{bad} of {number} callbacks were not answered 200")
    busy = _cpu_of_children() - before
    return Answered(number / seconds, median_ms, p99_ms, busy / seconds)


def _cpu_of_children() -> float:
    """Of those that have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _with_wrk(url: str, load: Load, turn: int) -> tuple[int, float, float, float, int]:
    script = load.metas.with_suffix(".lua")
    script.write_text(_LUA)
    parts = urlsplit(url)
    flags = ("-t1", f"-c{load.connections}", f"-d{load.seconds}s", "--timeout", "30s")
    own = (parts.path, str(load.metas), str(load.events), str(turn), load.version)
    base = f"{parts.scheme}://{parts.netloc}"
    command = (str(WRK), *flags, "-s", str(script), base, "--", *own)
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    (line,) = (line for line in said.splitlines() if line.startswith("RESULT "))
    number, micros, median, p99, bad = map(int, line.split()[1:])
    return number, micros / 1e6, median / 1e3, p99 / 1e3, bad


def _with_uvloop(url: str, load: Load, turn: int) -> tuple[int, float, float, float, int]:
    own = (str(load.metas), str(load.events), str(turn), str(load.connections), str(load.seconds))
    command = (sys.executable, "-m", __name__, url, *own, load.version)
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    number, seconds, median, p99, bad = json.loads(ran.stdout)
    return number, seconds, median, p99, bad


def requests(path: str, load: Load, turn: int) -> Iterator[bytes]:
    """What the client on uvloop posts: the same."""
    before = b'{"type":"delivered","email":"person@example.com","meta":"'
    after = b'","timestamp":%d}' % (_TIMESTAMP + turn)
    metas = cycle(load.metas.read_bytes().split())
    while True:
        events = [before + meta + after for meta in islice(metas, load.events)]
        version = load.version.encode()
        body = b'{"version":"%b","events":{"success":[%b]}}' % (version, b",".join(events))
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
    address, metas, *numbers, version_ = sys.argv[1:]
    events, turn, connections, seconds = map(int, numbers)
    asked = Load(Path(metas), events, connections, seconds, version_)
    print(json.dumps(uvloop.run(_fire(address, asked, turn))))
