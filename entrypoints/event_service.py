"""`espalier.v1.EventService`: the log of what became of messages."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from domain.errors import InvalidRequest, TryLater, Violation
from domain.event_filter import EventFilter
from domain.events import START, Cursor, parse_cursor
from domain.message_id import MessageIds
from domain.numbers import LARGEST, read_number
from entrypoints.convert.callback import (
    read_replayed_times,
    read_simulated_request,
    to_simulation,
)
from entrypoints.convert.event import to_event
from entrypoints.convert.event_filter import read_event_filter
from entrypoints.errors import Context
from entrypoints.paging import Paging
from espalier.v1 import event_pb2, event_pb2_grpc
from services.ports import Clock
from services.read_events import ReadEvents
from services.replay_callbacks import ReplayCallbacks
from services.simulate_callback import SimulateCallback

# The two orders have tokens of their own: one leads nowhere in the other.
OLDEST_FIRST = Paging(listing="events", default=100, most=1000)
NEWEST_FIRST = Paging(listing="events, newest first", default=100, most=1000)
KEPT = Paging(listing="kept requests", default=100, most=1000)

_DEFAULT_BATCH = 500
_MOST_IN_BATCH = 1000
# After so long without an event that passes, a client is told how far its cursor has come.
_QUIET_SECONDS = 5.0
# How soon a stream ends once the service stops.
_LOOK_SECONDS = 0.5


class EventService(event_pb2_grpc.EventServiceServicer):
    """Streams end with UNAVAILABLE once `stopping` is set, so that their clients go elsewhere."""

    def __init__(
        self,
        *,
        read: ReadEvents,
        simulate: SimulateCallback,
        replay: ReplayCallbacks,
        message_ids: MessageIds,
        clock: Clock,
        stopping: asyncio.Event,
    ) -> None:
        self._read = read
        self._simulate = simulate
        self._replay = replay
        self._message_ids = message_ids
        self._clock = clock
        self._stopping = stopping

    async def ListEvents(
        self, request: event_pb2.ListEventsRequest, context: Context
    ) -> event_pb2.ListEventsResponse:
        where = read_event_filter(request.filter, self._message_ids, may_end=True)
        paging = NEWEST_FIRST if request.newest_first else OLDEST_FIRST
        size, token = paging.size(request.page_size), paging.after(request.page_token)
        events, rest = await self._read.page(
            where,
            size=size,
            after=parse_cursor(token, field="page_token") if token else None,
            newest_first=request.newest_first,
        )
        return event_pb2.ListEventsResponse(
            events=map(to_event, events),
            next_page_token="" if rest is None else paging.token(str(rest)),
        )

    async def SimulateCallback(
        self, request: event_pb2.SimulateCallbackRequest, context: Context
    ) -> event_pb2.SimulateCallbackResponse:
        simulation = await self._simulate(request.provider, read_simulated_request(request))
        return to_simulation(simulation)

    async def ReplayCallbacks(
        self, request: event_pb2.ReplayCallbacksRequest, context: Context
    ) -> event_pb2.ReplayCallbacksResponse:
        start, end = read_replayed_times(request)
        done = await self._replay(
            request.provider,
            after=_kept_after(KEPT.after(request.page_token)),
            received_from=start,
            received_before=end,
            limit=KEPT.size(request.page_size),
        )
        return event_pb2.ReplayCallbacksResponse(
            requests=done.requests,
            unreadable_requests=done.unreadable,
            events=done.events,
            processed_events=done.processed,
            next_page_token="" if done.last is None else KEPT.token(str(done.last)),
        )

    async def StreamEvents(
        self, request: event_pb2.StreamEventsRequest, context: Context
    ) -> AsyncGenerator[event_pb2.StreamEventsResponse, None]:
        where = read_event_filter(request.filter, self._message_ids, may_end=False)
        size = _batch_size(request.max_batch)
        after = await self._start(request)
        told_at = self._clock.now()
        yield event_pb2.StreamEventsResponse(next_cursor=str(after))
        async with aclosing(self._follow(where, after, size, told_at)) as responses:
            async for response in responses:
                yield response

    async def _follow(
        self, where: EventFilter, after: Cursor, size: int, told_at: float
    ) -> AsyncGenerator[event_pb2.StreamEventsResponse, None]:
        """`told_at` is when the client was last told how far its cursor has come."""
        while True:
            async with aclosing(self._read.up_to_now(where, after, size=size)) as batches:
                async for events, after in batches:
                    now = self._clock.now()
                    if events or now - told_at >= _QUIET_SECONDS:
                        told_at = now
                        yield event_pb2.StreamEventsResponse(
                            events=map(to_event, events), next_cursor=str(after)
                        )
                    if self._stopping.is_set():
                        raise _shutting_down()
            await self._read.wait(after, timeout_seconds=_LOOK_SECONDS)
            if self._stopping.is_set():
                raise _shutting_down()

    async def _start(self, request: event_pb2.StreamEventsRequest) -> Cursor:
        now = await self._read.now()
        if request.cursor:
            cursor = parse_cursor(request.cursor)
            if cursor.position > now.position:
                raise _ahead_of_the_log()
            return cursor
        starts = event_pb2.StreamStart
        match request.start:
            case starts.STREAM_START_NOW:
                return now
            case starts.STREAM_START_UNSPECIFIED | starts.STREAM_START_BEGINNING:
                return START
            case _:
                message = f"is {request.start}, which means nothing here; give BEGINNING or NOW"
                raise InvalidRequest(
                    [Violation(field="start", reason="UNKNOWN_VALUE", message=message)]
                )


def _kept_after(key: str) -> int:
    """The id in a token, which is one of ours: they are not signed, and may be made up."""
    number = read_number(key) if key else 0
    if number is None or number > LARGEST:
        message = "is no token of this listing; leave it empty to begin anew"
        raise InvalidRequest(
            [Violation(field="page_token", reason="INVALID_PAGE_TOKEN", message=message)]
        )
    return number


def _batch_size(max_batch: int) -> int:
    if max_batch < 0:
        message = f"is {max_batch}; give 1 to {_MOST_IN_BATCH:,}, or 0 for {_DEFAULT_BATCH}"
        raise InvalidRequest([Violation(field="max_batch", reason="OUT_OF_RANGE", message=message)])
    return min(max_batch or _DEFAULT_BATCH, _MOST_IN_BATCH)


def _ahead_of_the_log() -> InvalidRequest:
    """As after a restore from an older backup: events would be passed over in silence."""
    message = "is ahead of this log, so it is from another one; leave it empty to begin anew"
    return InvalidRequest([Violation(field="cursor", reason="INVALID_CURSOR", message=message)])


def _shutting_down() -> TryLater:
    return TryLater("the service is shutting down; call again with the last cursor")
