"""Which of libcurl's connections have something to say, and which have ended."""

import select
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

# That the other side will send no more. Only Linux tells; elsewhere a connection that ends together
# with an answer may be used once more before its end is seen.
_HANGUP = getattr(select, "POLLRDHUP", 0)
_ENDED = _HANGUP | select.POLLHUP | select.POLLERR | select.POLLNVAL


class Poller(Protocol):
    """What the kernel's set of descriptors is asked through."""

    def register(self, descriptor: int, /) -> None: ...

    def poll(self) -> list[tuple[int, int]]:
        """What has happened, without waiting."""

    def fileno(self) -> int | None:
        """Becomes readable when something has; None where there is no such thing."""

    def close(self) -> None: ...


class Epoll:
    """Tells of each thing that happens once, so that nobody has to say when he waits for it."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.fileno = self._epoll.fileno
        self.close = self._epoll.close

    def register(self, descriptor: int, /) -> None:
        events = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
        self._epoll.register(descriptor, events)

    def poll(self) -> list[tuple[int, int]]:
        return self._epoll.poll(0)


class Poll:
    """`select.poll`: for systems without epoll, where no event loop can watch it."""

    def __init__(self) -> None:
        self._poll = select.poll()

    def register(self, descriptor: int, /) -> None:
        self._poll.register(descriptor, select.POLLIN)

    def poll(self) -> list[tuple[int, int]]:
        happened = self._poll.poll(0)
        for descriptor, events in happened:
            if events & select.POLLNVAL:
                self._poll.unregister(descriptor)
        return happened

    def fileno(self) -> None:
        return None

    def close(self) -> None:
        """There is nothing to give back."""


def new_poller() -> Poller:
    return Epoll() if sys.platform == "linux" else Poll()


@contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """libcurl's socket, which stays open; without a copy, for which there may be no descriptor."""
    one = socket.socket(fileno=descriptor)
    try:
        yield one
    finally:
        one.detach()


class SocketWatch:
    """Tells when libcurl has something to do, and which kept connections have ended.

    `descriptor` becomes readable when there is something; None where there is no such thing. Each
    connection is registered once, when it is opened: libcurl's own account of the sockets that it
    waits for changes several times in a request, and costs more than the request itself.

    libcurl looks for connections that have ended once a second only, and a request that is written
    into one is in doubt. Whatever a server says while nothing was asked counts as the end as well:
    it is goodbye, or it would be taken for the answer to the next request.
    """

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        # The local ports of sockets, as far as they are known yet.
        self._ports: dict[int, int] = {}
        # Whose request is under way, for each port of a connection that carried one.
        self._busy: dict[int, object | None] = {}
        self._ended: set[int] = set()
        self.descriptor = poller.fileno()

    def open(self, family: int, kind: int, protocol: int) -> int:
        """A new socket, which libcurl owns from then on; it closes it by itself."""
        descriptor = socket.socket(family, kind, protocol).detach()
        self._ports.pop(descriptor, None)
        self._poller.register(descriptor)
        return descriptor

    def look(self) -> None:
        """Takes note of what has happened."""
        ports, busy = self._ports, self._busy
        for descriptor, events in self._poller.poll():
            # Nearly always it is an answer that has come.
            if events & _ENDED or busy.get(ports.get(descriptor, 0)) is None:
                self._look_at(descriptor, events)

    def begin(self, port: int, owner: object) -> bool:
        """A request is about to leave from this local port; False where its connection has ended.

        That is told once: a later connection may come from the same port.
        """
        self._busy[port] = owner
        if port not in self._ended:
            return True
        self._ended.discard(port)
        return False

    def end(self, port: int, owner: object) -> None:
        """The request from this port has come to its end; another may have begun there by now."""
        if self._busy.get(port) is owner:
            self._busy[port] = None

    def close(self) -> None:
        self._poller.close()

    def _look_at(self, descriptor: int, events: int) -> None:
        # OSError: it is closed already, or by now something else that is no socket.
        with suppress(OSError), _borrowed(descriptor) as one:
            port = self._ports.get(descriptor)
            if port is None:
                # It has only just been connected, and the port may have been another's before.
                port = self._ports[descriptor] = one.getsockname()[1]
                self._ended.discard(port)
            if port in self._busy and (events & _ENDED or self._speaks_unasked(port, one)):
                self._ended.add(port)

    def _speaks_unasked(self, port: int, one: socket.socket) -> bool:
        """What has happened may be an answer that libcurl has read by now."""
        if self._busy[port] is not None:
            return False
        try:
            one.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        return True
