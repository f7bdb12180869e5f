"""How fast StreamEvents tells what is stored, and how soon what is new.

The service is that of `tests.benchmarks.callbacks`. A client follows from the start of a log of
some 200,000 events; the floor is a server of this process's own that streams the very same
responses, ready made. Then callbacks of one event each come in at a steady pace, and a second
stream waits for them: the latency is from the answer 200 to the event. Its floor is the time that
the service takes to answer a call which does nothing.
Run it with `python -m tests.benchmarks.streaming`.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import grpc.aio
import orjson
from grpc_health.v1 import health_pb2, health_pb2_grpc

from espalier.v1 import event_pb2, event_pb2_grpc
from tests.benchmarks.callbacks import is_folded, message_ids, service
from tests.benchmarks.loading import Load, fire
from tests.support import eventually

ROUNDS = 5
STORED = 200_000
LIVE, LIVE_A_SECOND = 1_000, 100
_SERVICE = "espalier.v1.EventService"
# Times that the events of no other part have.
_FIRST = 1_760_000_000


async def follow(address: str, number: int) -> tuple[float, list[event_pb2.StreamEventsResponse]]:
    """Seconds until a client has so many events from the start of the log, and the responses."""
    responses: list[event_pb2.StreamEventsResponse] = []
    async with grpc.aio.insecure_channel(address) as channel:
        stub = event_pb2_grpc.EventServiceStub(channel)
        started, left = time.perf_counter(), number
        async for response in stub.StreamEvents(event_pb2.StreamEventsRequest()):
            responses.append(response)
            left -= len(response.events)
            if left <= 0:
                break
        return time.perf_counter() - started, responses


async def follow_ready(responses: Sequence[event_pb2.StreamEventsResponse], number: int) -> float:
    """The same from a server that has them ready."""

    async def stream(_: object, __: object) -> AsyncIterator[event_pb2.StreamEventsResponse]:
        for response in responses:
            yield response

    server = grpc.aio.server()
    handler = grpc.unary_stream_rpc_method_handler(
        stream,
        event_pb2.StreamEventsRequest.FromString,
        event_pb2.StreamEventsResponse.SerializeToString,
    )
    handlers = grpc.method_handlers_generic_handler(_SERVICE, {"StreamEvents": handler})
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        return (await follow(f"127.0.0.1:{port}", number))[0]
    finally:
        await server.stop(1)


async def stored(address: str) -> tuple[list[float], list[float]]:
    """Events a second to a client that follows from the start, and from the floor."""
    ours: list[float] = []
    floors: list[float] = []
    for _ in range(ROUNDS):
        seconds, responses = await follow(address, STORED)
        number = sum(len(response.events) for response in responses)
        ours.append(number / seconds)
        floors.append(number / await follow_ready(responses, number))
    return ours, floors


class Live:
    """Callbacks at a steady pace, and when each was answered and seen, by its timestamp."""

    def __init__(self) -> None:
        self.answered: dict[int, float] = {}
        self.seen: dict[int, float] = {}

    def latencies(self) -> list[float]:
        """In milliseconds, of those whose answer came before the event: 0 for the others."""
        return [max(0.0, self.seen[at] - when) * 1e3 for at, when in self.answered.items()]

    async def watch(self, address: str, begun: asyncio.Event) -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            stub = event_pb2_grpc.EventServiceStub(channel)
            request = event_pb2.StreamEventsRequest(start=event_pb2.STREAM_START_NOW)
            async for response in stub.StreamEvents(request):
                begun.set()
                now = time.perf_counter()
                self.seen.update((event.occur_time.seconds, now) for event in response.events)
                if len(self.seen) == LIVE:
                    return

    async def post(self, url: str) -> None:
        metas = message_ids()
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for i in range(LIVE):
                await asyncio.sleep(started + i / LIVE_A_SECOND - loop.time())
                group.create_task(self._post(session, url, metas[i], _FIRST + i))

    async def _post(
        self, session: aiohttp.ClientSession, url: str, meta: str, timestamp: int
    ) -> None:
        event = {"type": "clicked", "email": "p@example.com", "meta": meta, "timestamp": timestamp}
        body = orjson.dumps({"version": "v2", "events": {"success": [event]}})
        async with session.post(url, data=body) as answer:
            self.answered[timestamp] = time.perf_counter()
            if answer.status != 200:
                raise SystemExit(f"a callback was answered {answer.status}")


async def live(address: str, url: str) -> tuple[list[float], list[float]]:
    """Latencies in milliseconds: of events, and of calls that do nothing at the same pace."""
    one, begun = Live(), asyncio.Event()
    watching = asyncio.create_task(one.watch(address, begun))
    await begun.wait()
    await one.post(url)
    await watching
    return one.latencies(), await idle_calls(address)


async def idle_calls(address: str) -> list[float]:
    took: list[float] = []
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        for _ in range(LIVE // 5):
            started = time.perf_counter()
            await stub.Check(health_pb2.HealthCheckRequest())
            took.append((time.perf_counter() - started) * 1e3)
            await asyncio.sleep(1 / LIVE_A_SECOND)
    return took


async def measure(folder: Path) -> None:
    metas = folder / "metas"
    metas.write_text("\n".join(message_ids()) + "\n")
    async with service(folder / "service", 1) as (served, url):
        address, load, turn = served.grpc_address, Load(metas, 100, 16, 2), 0
        while (await end_of_log(address)) < STORED:
            await asyncio.to_thread(fire, url, load, turn := turn + 1)
        await eventually(lambda: is_folded(served), 600)
        ours, floors = await stored(address)
        latencies, idle = await live(address, url)
    tell(ours, floors, latencies, idle)


async def end_of_log(address: str) -> int:
    """The position of the last entry."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = event_pb2_grpc.EventServiceStub(channel)
        request = event_pb2.StreamEventsRequest(start=event_pb2.STREAM_START_NOW)
        async for response in stub.StreamEvents(request):
            return int(response.next_cursor.partition(".")[0])
    raise SystemExit("the stream ended before it began")


def tell(
    ours: Sequence[float],
    floors: Sequence[float],
    latencies: Sequence[float],
    idle: Sequence[float],
) -> None:
    print(
        f"StreamEvents from the start: {median(ours):,.0f} events/s; ready responses from a bare "
        f"server: {median(floors):,.0f} events/s"
    )
    print(
        f"StreamEvents live, {LIVE_A_SECOND} callbacks/s: median {median(latencies):.1f} ms and "
        f"p99 {_p99(latencies):.1f} ms after the answer 200; a call that does nothing: median "
        f"{median(idle):.1f} ms, p99 {_p99(idle):.1f} ms",
        flush=True,
    )


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100)[98]


def main() -> bool:
    with TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))
    return True


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
