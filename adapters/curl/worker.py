"""libcurl within the event loop, where it is told when there is something to do.

A thread of its own would cost every request a few changes of the thread that holds the interpreter,
which is more than libcurl itself takes.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeAlias

import pycurl

from adapters.curl.descriptors import make_room
from adapters.curl.exchange import Exchange
from adapters.curl.hasty import HastyServers
from adapters.curl.options import CurlOptions
from adapters.curl.reasons import not_begun
from adapters.curl.slot import Slot
from adapters.curl.watch import Poller, SocketWatch
from domain.http import Landed, NotSent, TransportBroken

# Why nothing is sent any more; a new one for each, since every error keeps its own traceback.
End: TypeAlias = Callable[[], NotSent | TransportBroken]

CLOSED = "the transport is closed"
# Where the event loop cannot watch libcurl's sockets, they are looked at so often.
_LOOK_SECONDS = 0.002


class Worker:
    """Runs exchanges, `max_connections` at a time, in the event loop that it is made in.

    Every exchange that is submitted lands once, also if the program fails here; only one that is no
    longer wanted when its turn comes is dropped. A request that libcurl does not take fails alone.
    After a fault of the program TransportBroken is the end of all that was not issued yet.
    """

    def __init__(self, options: CurlOptions, poller: Poller) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Exchange] = deque()
        self._settled: list[tuple[Exchange, Landed]] = []
        self._watch = SocketWatch(poller)
        self._most = make_room(options.max_connections)
        self._multi = _multi(self._most, self._watch)
        # Made as they are needed: a thousand take 10 ms and 8 MB.
        self._new_slot = partial(Slot, options, self._watch.has_ended, HastyServers())
        self._free: list[Slot] = []
        self._busy: dict[pycurl.Curl, Slot] = {}
        self._turn_is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._ended_by: End | None = None
        self._descriptor = self._watch.descriptor
        if self._descriptor is not None:
            self._loop.add_reader(self._descriptor, self._turn)

    def submit(self, exchange: Exchange) -> None:
        if self._ended_by is not None:
            self._loop.call_soon(exchange.landed, self._ended_by())
            return
        self._waiting.append(exchange)
        self._turn_soon()

    async def close(self, within: float) -> None:
        """Refuses what waits, gives what is in flight `within` seconds, and ends."""
        end = partial(NotSent, CLOSED)
        self._refuse_waiting(end)
        self._tell()
        self._look_if_idle()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._idle.wait()
        if self._ended_by is None:
            self._end(end)

    def _turn_soon(self) -> None:
        if not self._turn_is_due:
            self._turn_is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_is_due = False
        if self._ended_by is not None:
            return
        try:
            self._go_on()
        except Exception as error:  # noqa: BLE001 - whatever it is, the others have to be told.
            self._fail(error)
        self._tell()
        self._look_if_idle()

    def _go_on(self) -> None:
        # The sockets come first: a connection that ended together with its answer is not for the
        # next request.
        for descriptor, events in self._watch.ready():
            self._multi.socket_action(descriptor, events)
        self._collect()
        self._admit()
        if self._multi.timeout() == 0:
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._collect()
        self._set_timer()

    def _has_room(self) -> bool:
        return len(self._busy) < self._most

    def _admit(self) -> None:
        while self._waiting and self._has_room():
            exchange = self._waiting.popleft()
            if not exchange.is_wanted:
                continue
            try:
                self._begin(exchange)
            except Exception as error:  # noqa: BLE001 - whatever it is, it concerns this one alone.
                self._settled.append((exchange, not_begun(exchange.request, error)))

    def _begin(self, exchange: Exchange) -> None:
        slot = self._free.pop() if self._free else self._new_slot()
        try:
            slot.load(exchange)
            self._multi.add_handle(slot.curl)
        except Exception:
            # Half of it is set, and the other half of another request.
            slot.curl.close()
            raise
        self._busy[slot.curl] = slot

    def _set_timer(self) -> None:
        """The next turn, if nothing else brings one about before."""
        milliseconds = self._multi.timeout()
        if milliseconds == 0 or (self._waiting and self._has_room()):
            self._turn_soon()
        if self._descriptor is None and self._busy:
            at = self._loop.time() + _LOOK_SECONDS
        elif milliseconds > 0:
            at = self._loop.time() + milliseconds / 1000
        else:
            return
        if self._timer is None or at < self._timer.when():
            self._cancel_timer()
            self._timer = self._loop.call_at(at, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._ended_by is None:
            # Ignored where libcurl's own clock is a little behind; then it names another time.
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._turn()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _collect(self) -> None:
        more = 1
        while more:
            more, answered, failed = self._multi.info_read()
            for curl in answered:
                self._unload(curl, pycurl.E_OK, "")
            for curl, code, message in failed:
                if self._busy[curl].renew():
                    self._multi.remove_handle(curl)
                    self._multi.add_handle(curl)
                else:
                    self._unload(curl, code, message)

    def _unload(self, curl: pycurl.Curl, code: int, message: str) -> None:
        self._multi.remove_handle(curl)
        slot = self._busy[curl]
        self._settled.append(slot.unload(code, message))
        del self._busy[curl]
        self._free.append(slot)

    def _refuse_waiting(self, end: End) -> None:
        self._settled += [(exchange, end()) for exchange in self._waiting]
        self._waiting.clear()

    def _tell(self) -> None:
        settled, self._settled = self._settled, []
        for exchange, outcome in settled:
            exchange.landed(outcome)

    def _look_if_idle(self) -> None:
        if self._busy or self._waiting:
            self._idle.clear()
        else:
            self._idle.set()

    def _fail(self, error: Exception) -> None:
        what = f"the transport has failed: {type(error).__name__}, a fault within it"
        self._loop.call_exception_handler({"message": what, "exception": error})
        self._end(partial(TransportBroken, what))

    def _end(self, end: End) -> None:
        # Set first: whoever is told of an end may submit something else.
        self._ended_by = end
        self._cancel_timer()
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
        self._refuse_waiting(end)
        self._settled += [slot.abandon(end()) for slot in self._busy.values()]
        # It also lets go of the handles that are under way, and closes their connections.
        self._multi.close()
        for slot in (*self._free, *self._busy.values()):
            slot.curl.close()
        self._busy.clear()
        self._watch.close()
        self._tell()


def _multi(connections: int, watch: SocketWatch) -> pycurl.CurlMulti:
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAXCONNECTS, connections)
    multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, connections)
    multi.setopt(pycurl.M_SOCKETFUNCTION, watch.update)
    return multi
