"""The thread in which libcurl runs."""

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import pycurl

from adapters.curl.descriptors import make_room
from adapters.curl.exchange import Exchange
from adapters.curl.hasty import HastyServers
from adapters.curl.options import CurlOptions
from adapters.curl.reasons import not_begun
from adapters.curl.slot import Slot
from adapters.curl.watch import SocketWatch, new_poller
from domain.http import Landed, NotSent, TransportBroken

Settled: TypeAlias = tuple[Exchange, Landed]
# Why nothing is sent any more; a new one for each, since every error keeps its own traceback.
End: TypeAlias = Callable[[], NotSent | TransportBroken]

CLOSED = "the transport is closed"
# Where libcurl has no timer of its own, nothing happens at the end of this; it only bounds a sleep.
_LONGEST_SLEEP_MS = 60_000
_TOLD_AT_ONCE = 64


class Worker:
    """Runs exchanges, `max_connections` at a time, and hands their outcomes out in batches.

    Every exchange that is submitted is settled once, also if the thread fails; only one that is no
    longer wanted when its turn comes is dropped. A request that libcurl does not take fails
    alone. If the thread fails, then by a fault of the program, and TransportBroken is the outcome
    of all that was not issued yet. `settle` is called in the thread, and after its end by `submit`;
    `ended` is the last thing that the thread calls.
    """

    def __init__(
        self,
        options: CurlOptions,
        settle: Callable[[list[Settled]], None],
        ended: Callable[[], None],
    ) -> None:
        self._settle = settle
        self._on_end = ended
        self._waiting: deque[Exchange] = deque()
        self._settled: list[Settled] = []
        self._watch = SocketWatch(new_poller())
        self._most = make_room(options.max_connections)
        self._multi = _multi(self._most, self._watch)
        # Made as they are needed: a thousand take 10 ms and 8 MB.
        self._new_slot = partial(Slot, options, self._watch.has_ended, HastyServers())
        self._free: list[Slot] = []
        self._busy: dict[pycurl.Curl, Slot] = {}
        self._asleep = False
        self._stop_at: float | None = None
        self._ended_by: End | None = None
        self._thread = threading.Thread(target=self._run, name="espalier-curl", daemon=True)
        self._thread.start()

    def submit(self, exchange: Exchange) -> None:
        self._waiting.append(exchange)
        if self._ended_by is not None:
            self._refuse_waiting(self._ended_by)
        elif self._asleep:
            self._asleep = False
            self._watch.wake()

    def stop(self, within: float) -> None:
        """Refuse what waits, give what is in flight this many seconds, and end the thread."""
        self._stop_at = time.monotonic() + within
        self._watch.wake()

    def join(self) -> None:
        """Called after `ended`; nothing may be submitted any more."""
        self._thread.join()
        self._watch.close()

    def _run(self) -> None:
        end: End = partial(NotSent, CLOSED)
        try:
            while self._stop_at is None or self._drains(self._stop_at):
                self._turn()
        except BaseException as error:
            name = type(error).__name__
            end = partial(TransportBroken, f"the transport has failed: {name}, a fault within it")
            # The interpreter prints it, with its traceback.
            raise
        finally:
            self._end(end)

    def _drains(self, stop_at: float) -> bool:
        self._refuse_waiting(partial(NotSent, CLOSED))
        return bool(self._busy) and time.monotonic() < stop_at

    def _turn(self) -> None:
        if self._waiting and self._has_room():
            # A last look: a connection that ended together with its answer is not for the next.
            self._attend(0)
        self._admit()
        if self._multi.timeout() == 0:
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            # Before the wait: a transfer can begin and end within that one call.
            self._collect()
        # To wake the event loop costs both threads as much as a request does: it is told of many
        # at once, as long as there is more to do here.
        if len(self._settled) < _TOLD_AT_ONCE and self._attend(0):
            self._collect()
            return
        self._hand_out()
        self._attend(self._sleep_ms())
        self._asleep = False
        self._collect()

    def _attend(self, milliseconds: int) -> bool:
        """Serves the sockets that are ready; whether there were any."""
        ready = self._watch.wait(milliseconds)
        for descriptor, events in ready:
            self._multi.socket_action(descriptor, events)
        return bool(ready)

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

    def _sleep_ms(self) -> int:
        """How long to wait for sockets. From here on `submit` wakes, if there is room."""
        self._asleep = self._has_room()
        if self._asleep and self._waiting:
            return 0
        longest = _LONGEST_SLEEP_MS
        if self._stop_at is not None:
            longest = max(0, round((self._stop_at - time.monotonic()) * 1000))
        timer = self._multi.timeout()
        return longest if timer < 0 else min(timer, longest)

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
        # A list of its own: at the end `submit` may do the same in another thread.
        refused: list[Settled] = []
        while self._waiting:
            refused.append((self._waiting.popleft(), end()))
        if refused:
            self._settle(refused)

    def _hand_out(self) -> None:
        if self._settled:
            settled, self._settled = self._settled, []
            self._settle(settled)

    def _end(self, end: End) -> None:
        # Set first: an exchange submitted from now on is refused by whoever sees it first.
        self._ended_by = end
        self._refuse_waiting(end)
        self._settled += [slot.abandon(end()) for slot in self._busy.values()]
        self._hand_out()
        # It also lets go of the handles that are under way, and closes their connections.
        self._multi.close()
        for slot in (*self._free, *self._busy.values()):
            slot.curl.close()
        self._on_end()


def _multi(connections: int, watch: SocketWatch) -> pycurl.CurlMulti:
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAXCONNECTS, connections)
    multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, connections)
    multi.setopt(pycurl.M_SOCKETFUNCTION, watch.update)
    return multi
