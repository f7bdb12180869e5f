"""The floors of dispatch: clients that post one ready body to a sink and do nothing else.

Each runs in a process of its own, as `python -m tests.benchmarks.posting CLIENT URL NUMBER BYTES
CONNECTIONS`, and prints how many seconds it took and how many of the processor.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import aiohttp
import pycurl
import uvloop

_HEADERS = ("Content-Type: application/json", "Idempotency-Key: 0123456789abcdef", "Expect:")
_WRK_SECONDS = 3


class Posted(NamedTuple):
    seconds: float
    cpu_seconds: float


def with_pycurl(url: str, number: int, body: bytes, connections: int) -> None:
    """libcurl's multi interface in the shortest loop there is."""
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAXCONNECTS, connections)
    free = [_handle(url) for _ in range(connections)]
    begun = done = 0
    while done < number:
        while free and begun < number:
            curl = free.pop()
            curl.setopt(pycurl.POSTFIELDS, body)
            multi.add_handle(curl)
            begun += 1
        multi.perform()
        more = 1
        while more:
            more, answered, failed = multi.info_read()
            if failed:
                raise SystemExit(f"libcurl failed: {failed[0][1:]}")
            for curl in answered:
                if curl.getinfo(pycurl.RESPONSE_CODE) != 200:
                    raise SystemExit("the sink did not answer 200")
                multi.remove_handle(curl)
                free.append(curl)
            done += len(answered)
        if not free:
            multi.select(1.0)


def _handle(url: str) -> pycurl.Curl:
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.HTTPHEADER, list(_HEADERS))
    curl.setopt(pycurl.WRITEFUNCTION, lambda _: None)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    # The sink's certificate is its own; what checking one costs, it costs once a connection.
    curl.setopt(pycurl.SSL_VERIFYPEER, 0)
    curl.setopt(pycurl.SSL_VERIFYHOST, 0)
    return curl


def with_aiohttp(url: str, number: int, body: bytes, connections: int) -> None:
    uvloop.run(_with_aiohttp(url, number, body, connections))


async def _with_aiohttp(url: str, number: int, body: bytes, connections: int) -> None:
    headers = dict(line.split(": ") for line in _HEADERS if line != "Expect:")
    turns = iter(range(number))

    async def post_in_turn(session: aiohttp.ClientSession) -> None:
        for _ in turns:
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()
                if answer.status != 200:
                    raise SystemExit("the sink did not answer 200")

    connector = aiohttp.TCPConnector(limit=connections, ssl=False)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(post_in_turn(session) for _ in range(connections)))


CLIENTS: dict[str, Callable[[str, int, bytes, int], None]] = {
    "pycurl": with_pycurl,
    "aiohttp": with_aiohttp,
}


def post(client: str, url: str, number: int, *, size: int, connections: int) -> Posted:
    """Runs a client in a process of its own."""
    command = (sys.executable, "-m", __name__, client, url, str(number), str(size))
    ran = subprocess.run((*command, str(connections)), check=True, stdout=subprocess.PIPE)
    return Posted(*json.loads(ran.stdout))


def with_wrk(url: str, *, size: int, connections: int) -> float | None:
    """Requests a second, or None where wrk is not installed."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return None
    with TemporaryDirectory() as folder:
        script = Path(folder, "post.lua")
        script.write_text(
            'wrk.method = "POST"\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
            f'wrk.body = string.rep("x", {size})\n'
        )
        seconds = f"-d{_WRK_SECONDS}"
        command = (wrk, "-t1", f"-c{connections}", seconds, "-s", str(script), url)
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    (line,) = (line for line in said.splitlines() if line.startswith("Requests/sec:"))
    return float(line.split()[1])


def main(arguments: Sequence[str]) -> None:
    client, url, number, size, connections = arguments
    body = b"x" * int(size)
    started, cpu = time.perf_counter(), time.process_time()
    CLIENTS[client](url, int(number), body, int(connections))
    print(json.dumps([time.perf_counter() - started, time.process_time() - cpu]))


if __name__ == "__main__":
    main(sys.argv[1:])
