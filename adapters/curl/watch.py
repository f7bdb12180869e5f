"""Which sockets libcurl waits for, kept in the kernel's own set."""

import os
import select
import socket
import sys
from contextlib import suppress
from typing import Protocol

import pycurl

_IN, _OUT = select.POLLIN, select.POLLOUT
# That the other side will send no more. Only Linux tells; elsewhere a connection that ends together
# with an answer may be used once more before its end is seen.
_HANGUP = getattr(select, "POLLRDHUP", 0)
_ENDED = _HANGUP | select.POLLHUP | select.POLLERR | select.POLLNVAL
_EVENTS = {
    pycurl.POLL_NONE: _HANGUP,
    pycurl.POLL_IN: _HANGUP | _IN,
    pycurl.POLL_OUT: _HANGUP | _OUT,
    pycurl.POLL_INOUT: _HANGUP | _IN | _OUT,
}


def _selected(events: int) -> int:
    selected = 0
    if events & (_IN | select.POLLHUP):
        selected |= pycurl.CSELECT_IN
    if events & _OUT:
        selected |= pycurl.CSELECT_OUT
    if events & (select.POLLERR | select.POLLNVAL):
        selected |= pycurl.CSELECT_ERR
    return selected


# What libcurl is told for each combination of what the kernel may say.
_MASK = _IN | _OUT | select.POLLHUP | select.POLLERR | select.POLLNVAL
_SELECTED = tuple(_selected(events) for events in range(_MASK + 1))


class Poller(Protocol):
    """What `select.epoll` and `Poll` have in common."""

    def register(self, descriptor: int, events: int, /) -> None: ...

    def modify(self, descriptor: int, events: int, /) -> None:
        """Raises FileNotFoundError for a descriptor that is not registered."""

    def unregister(self, descriptor: int, /) -> None: ...

    def poll(self, seconds: float, /) -> list[tuple[int, int]]: ...

    def close(self) -> None: ...


class Poll:
    """`select.poll`, in seconds: for systems without epoll, where no event loop can watch it."""

    def __init__(self) -> None:
        poll = select.poll()
        self.register = poll.register
        self.modify = poll.modify
        self.unregister = poll.unregister
        self._poll = poll.poll

    def poll(self, seconds: float, /) -> list[tuple[int, int]]:
        return self._poll(seconds * 1000)

    def close(self) -> None:
        """There is nothing to give back."""


def new_poller() -> Poller:
    return select.epoll() if sys.platform == "linux" else Poll()


class SocketWatch:
    """Knows which of libcurl's sockets are ready, and which kept connections have ended.

    `descriptor` becomes readable when there is something to say; None where there is no such thing.
    `CurlMulti.select` would wait, and it overlooks descriptors from 1,024.

    A kept connection leaves libcurl's set after each request and comes back with the next one. Its
    registration is left in place, as idle: that saves one system call of about six a request, and
    tells when the server ends the connection. libcurl itself looks for ended connections once a
    second only, and a request that is written into one is in doubt. Whatever stirs an idle socket
    counts as its end: a server says nothing that nobody asked for, unless it is goodbye.
    """

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._idle: set[int] = set()
        self._ending: set[int] = set()
        self._ended_ports: set[int] = set()
        self.descriptor = poller.fileno() if isinstance(poller, select.epoll) else None

    def update(self, what: int, descriptor: int, _multi: pycurl.CurlMulti, _data: object) -> None:
        """libcurl's socket callback: it now waits for other events of this socket."""
        if what == pycurl.POLL_REMOVE:
            self._idle.add(descriptor)
            if descriptor in self._ending:
                self._let_go(descriptor)
            return
        self._idle.discard(descriptor)
        events = _EVENTS[what]
        try:
            self._poller.modify(descriptor, events)
        except FileNotFoundError:
            self._poller.register(descriptor, events)

    def ready(self) -> list[tuple[int, int]]:
        """The sockets that are ready, and for what (CSELECT_...)."""
        ready = []
        self._ending.clear()
        for descriptor, events in self._poller.poll(0):
            if descriptor not in self._idle:
                if events & _ENDED:
                    self._ending.add(descriptor)
                ready.append((descriptor, _SELECTED[events & _MASK]))
            elif events & (_IN | _ENDED):
                self._let_go(descriptor)
            else:
                # It could still be written to, which says nothing.
                self._poller.modify(descriptor, _EVENTS[pycurl.POLL_IN])
        return ready

    def has_ended(self, local_port: int) -> bool:
        """Whether the kept connection from this port has ended. It is told once."""
        if local_port not in self._ended_ports:
            return False
        self._ended_ports.discard(local_port)
        return True

    def close(self) -> None:
        self._poller.close()

    def _let_go(self, descriptor: int) -> None:
        self._idle.discard(descriptor)
        # OSError: it is none of the connections but a descriptor of libcurl's own, or closed.
        with suppress(OSError):
            self._poller.unregister(descriptor)
            with socket.socket(fileno=os.dup(descriptor)) as kept:
                if kept.family in (socket.AF_INET, socket.AF_INET6):
                    self._ended_ports.add(kept.getsockname()[1])
