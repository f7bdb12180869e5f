"""The thread in which libcurl runs."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import pycurl

from adapters.curl.exchange import Exchange, Outcome
from adapters.curl.hasty import HastyServers
from adapters.curl.options import CurlOptions
from adapters.curl.slot import Slot
from adapters.curl.watch import SocketWatch, new_poller
from domain.http import NotSent

Settled: TypeAlias = tuple[Exchange, Outcome]

CLOSED = "the transport is closed"
# Where libcurl has no timer of its own, nothing happens at the end of this; it only bounds a sleep.
_LONGEST_SLEEP_MS = 60_000


class Worker:
    """Runs exchanges, `max_connections` at a time, and hands their outcomes out in batches.

    Every exchange that is submitted is settled once, also if the thread fails; only one whose
    future is cancelled before it begins is dropped. `settle` is called in the thread, and after its
    end by `submit`; `ended` is the last thing that the thread calls.
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
        self._multi = _multi(options, self._watch)
        hasty = HastyServers()
        self._free = [
            Slot(options, self._watch.has_ended, hasty) for _ in range(options.max_connections)
        ]
        self._busy: dict[pycurl.Curl, Slot] = {}
        self._asleep = False
        self._stop_at: float | None = None
        self._ended_by: str | None = None
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
        reason = CLOSED
        try:
            while self._stop_at is None or self._drains(self._stop_at):
                self._turn()
        except Exception as error:
            reason = f"the transport has failed: {type(error).__name__}"
            raise
        finally:
            self._end(reason)

    def _drains(self, stop_at: float) -> bool:
        self._refuse_waiting(CLOSED)
        return bool(self._busy) and time.monotonic() < stop_at

    def _turn(self) -> None:
        if self._waiting and self._free:
            # A last look: a connection that ended together with its answer is not for the next.
            self._attend(0)
        self._admit()
        if self._multi.timeout() == 0:
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            # Before the wait: a transfer can begin and end within that one call.
            self._collect()
        self._attend(self._sleep_ms())
        self._asleep = False
        self._collect()

    def _attend(self, milliseconds: int) -> None:
        for descriptor, events in self._watch.wait(milliseconds):
            self._multi.socket_action(descriptor, events)

    def _admit(self) -> None:
        waiting, free = self._waiting, self._free
        while free and waiting:
            exchange = waiting.popleft()
            if exchange.future.cancelled():
                continue
            slot = free.pop()
            self._busy[slot.curl] = slot
            slot.load(exchange)
            self._multi.add_handle(slot.curl)

    def _sleep_ms(self) -> int:
        """How long to wait for sockets. From here on `submit` wakes, if there is a free slot."""
        self._asleep = bool(self._free)
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
        self._hand_out()

    def _unload(self, curl: pycurl.Curl, code: int, message: str) -> None:
        self._multi.remove_handle(curl)
        slot = self._busy[curl]
        self._settled.append(slot.unload(code, message))
        del self._busy[curl]
        self._free.append(slot)

    def _refuse_waiting(self, reason: str) -> None:
        # A list of its own: at the end `submit` may do the same in another thread.
        refused: list[Settled] = []
        while self._waiting:
            refused.append((self._waiting.popleft(), NotSent(reason)))
        if refused:
            self._settle(refused)

    def _hand_out(self) -> None:
        if self._settled:
            settled, self._settled = self._settled, []
            self._settle(settled)

    def _end(self, reason: str) -> None:
        # Set first: an exchange submitted from now on is refused by whoever sees it first.
        self._ended_by = reason
        self._refuse_waiting(reason)
        self._settled += [slot.abandon(reason) for slot in self._busy.values()]
        self._hand_out()
        # It also lets go of the handles that are under way, and closes their connections.
        self._multi.close()
        for slot in (*self._free, *self._busy.values()):
            slot.curl.close()
        self._on_end()


def _multi(options: CurlOptions, watch: SocketWatch) -> pycurl.CurlMulti:
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAXCONNECTS, options.max_connections)
    multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, options.max_connections)
    multi.setopt(pycurl.M_SOCKETFUNCTION, watch.update)
    return multi
