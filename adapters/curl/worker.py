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
# So long for each request in flight libcurl is left alone before it is looked at again: at most an
# eighth of the time goes into those that have nothing to say, and more of the others share a look.
_REST_SECONDS = 4e-6
# libcurl's clock is looked at no less often while requests are under way, and names that are being
# resolved; where the event loop cannot watch the sockets, these are looked at as well.
_TICK_SECONDS = 0.02
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
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, self._most)
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, self._most)
        # Made as they are needed: a thousand take 10 ms and 8 MB.
        self._new_slot = partial(Slot, options, self._watch, HastyServers())
        self._free: list[Slot] = []
        self._busy: dict[pycurl.Curl, Slot] = {}
        # Those of them with long bodies.
        self._long: set[Slot] = set()
        self._turn_is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._ended_by: End | None = None
        self._descriptor = self._watch.descriptor
        if self._descriptor is not None:
            self._loop.add_reader(self._descriptor, self._on_news)

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

    def _on_news(self) -> None:
        self._watch.look()
        if not self._turn_is_due:
            self._turn_is_due = True
            self._loop.call_later(_REST_SECONDS * len(self._busy), self._turn)

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
        self._admit()
        # The sockets come first: a connection that ended together with its answer is not for the
        # next request.
        self._watch.look()
        # libcurl goes through all that is under way, which takes half a microsecond for each that
        # has nothing to say: to be told of the others one by one takes longer.
        self._multi.perform()
        if self._collect() or self._is_due_again():
            self._turn_soon()
        self._set_timer()

    def _is_due_again(self) -> bool:
        """Whether there is something to do that no socket tells of."""
        # A list: each of them is to be asked. One that sends no more is told of by its socket.
        sending = [slot.has_sent_more() for slot in self._long]
        admitting = self._waiting and self._has_room()
        return any(sending) or bool(admitting) or self._multi.timeout() == 0

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
        if slot.is_long:
            self._long.add(slot)

    def _set_timer(self) -> None:
        """The next turn, if nothing else brings one about before."""
        if self._timer is None and self._busy:
            seconds = _LOOK_SECONDS if self._descriptor is None else _TICK_SECONDS
            self._timer = self._loop.call_later(seconds, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        # The turn that is due sets the timer anew. Another would have a successor of its own, and
        # those of a long body would become more and more.
        if not self._turn_is_due:
            self._turn()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _collect(self) -> bool:
        """Whether one of those that had ended begins again."""
        begins_again, more = False, 1
        while more:
            more, answered, failed = self._multi.info_read()
            for curl in answered:
                self._unload(curl, pycurl.E_OK, "")
            for curl, code, message in failed:
                if self._busy[curl].renew():
                    self._multi.remove_handle(curl)
                    self._multi.add_handle(curl)
                    begins_again = True
                else:
                    self._unload(curl, code, message)
        return begins_again

    def _unload(self, curl: pycurl.Curl, code: int, message: str) -> None:
        self._multi.remove_handle(curl)
        slot = self._busy[curl]
        self._long.discard(slot)
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
