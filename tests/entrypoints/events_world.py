"""EventService over a real gRPC server, on a log in a SQLite file that a test writes into."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import grpc.aio
from sqlalchemy import update

from adapters.sql import schema
from adapters.sql.events import SqlEventLog
from domain.message_id import MessageIds
from entrypoints.errors import Context
from entrypoints.event_service import EventService
from espalier.v1 import event_pb2, event_pb2_grpc
from services.addresses import Addresses
from services.ports import Clock
from services.read_events import ReadEvents
from services.read_webhook import ReadWebhook
from services.replay_callbacks import ReplayCallbacks
from services.simulate_callback import SimulateCallback
from tests.contracts.bench import Bench
from tests.contracts.ports import SqlPorts, over_sql
from tests.entrypoints.api_server import channel_to
from tests.support import eventually

Call: TypeAlias = "grpc.aio.UnaryStreamCall[Any, event_pb2.StreamEventsResponse]"

IDS = MessageIds(b"k" * 32)


class ImpatientClock:
    """Every look at it takes a second."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        self._now += 1.0
        return self._now


class Watched(EventService):
    """Counts its open streams: a database is closed only once nobody reads it any more."""

    open_streams = 0

    async def StreamEvents(
        self, request: event_pb2.StreamEventsRequest, context: Context
    ) -> AsyncGenerator[event_pb2.StreamEventsResponse, None]:
        self.open_streams += 1
        try:
            async with aclosing(super().StreamEvents(request, context)) as responses:
                async for response in responses:
                    yield response
        finally:
            self.open_streams -= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    ports: SqlPorts
    bench: Bench
    service: Watched
    stub: event_pb2_grpc.EventServiceStub
    stopping: asyncio.Event
    calls: list[Call] = field(default_factory=list)

    async def page(
        self, *, size: int = 100, token: str = "", newest: bool = False, **where: Any
    ) -> event_pb2.ListEventsResponse:
        request = event_pb2.ListEventsRequest(
            filter=event_pb2.EventFilter(**where),
            page_size=size,
            page_token=token,
            newest_first=newest,
        )
        return await self.stub.ListEvents(request)

    async def pages(self, *, size: int, newest: bool = False, **where: Any) -> list[str]:
        """The cursors of all events, page by page."""
        found: list[str] = []
        token = ""
        while True:
            page = await self.page(size=size, token=token, newest=newest, **where)
            assert len(page.events) <= size
            found += [event.cursor for event in page.events]
            token = page.next_page_token
            if not token:
                return found

    def stream(
        self,
        *,
        cursor: str = "",
        start: event_pb2.StreamStart.ValueType = event_pb2.STREAM_START_UNSPECIFIED,
        max_batch: int = 0,
        **where: Any,
    ) -> Call:
        request = event_pb2.StreamEventsRequest(
            cursor=cursor,
            start=start,
            filter=event_pb2.EventFilter(**where),
            max_batch=max_batch,
        )
        call: Call = self.stub.StreamEvents(request)
        self.calls.append(call)
        return call

    async def skip_to(self, position: int) -> None:
        """As if the log had so many entries."""
        end = update(schema.installation).values(last_position=position)
        async with self.ports.database.writing() as connection:
            await connection.execute(end)


@asynccontextmanager
async def event_world(folder: Path, clock: Clock | None = None) -> AsyncIterator[World]:
    async with over_sql(folder) as ports:
        stopping = asyncio.Event()
        log = SqlEventLog(ports.database)
        read = ReadEvents(
            log=log,
            search=log,
            addresses=Addresses(ports.campaigns, ports.tests),
            message_ids=IDS,
            clock=clock or ports.clock,
        )
        clock = clock or ports.clock
        webhooks = ReadWebhook(IDS, ports.esp_messages)
        service = Watched(
            read=read,
            simulate=SimulateCallback(
                providers=ports.providers, read=webhooks, message_ids=IDS, clock=clock
            ),
            replay=ReplayCallbacks(
                providers=ports.providers, kept=ports.kept_requests, read=webhooks, log=log
            ),
            message_ids=IDS,
            clock=clock,
            stopping=stopping,
        )

        def add(server: grpc.aio.Server) -> None:
            event_pb2_grpc.add_EventServiceServicer_to_server(service, server)

        async with channel_to(add) as channel:
            stub = event_pb2_grpc.EventServiceStub(channel)
            bench = await Bench.on(ports)
            world = World(ports=ports, bench=bench, service=service, stub=stub, stopping=stopping)
            yield world
            for call in world.calls:
                call.cancel()
            await eventually(lambda: service.open_streams == 0)


async def read(call: Call) -> event_pb2.StreamEventsResponse:
    """The next response; a test's own time limit ends a wait for one that never comes."""
    response = await call.read()
    assert isinstance(response, event_pb2.StreamEventsResponse), "the stream has ended"
    return response


async def read_events(call: Call, count: int) -> list[event_pb2.Event]:
    """The next so many events, in however many responses they come."""
    events: list[event_pb2.Event] = []
    while len(events) < count:
        response = await read(call)
        assert not response.events or response.next_cursor
        events += response.events
    assert len(events) == count
    return events
