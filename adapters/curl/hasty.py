"""Servers that end kept connections without notice."""

import time
from collections.abc import Callable

# After it one request may find out again whether the server has learned to keep connections, or
# whether it only was restarted.
_SECONDS = 60.0


class HastyServers:
    """Remembers for a minute which servers ended a kept connection under a request.

    HTTP/1.1 servers that do not keep connections should say so, and some just close after each
    answer. Against those every request over a kept connection is a race that may end in doubt, so
    that each of their requests gets a connection of its own.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._until: dict[str, float] = {}

    def add(self, server: str) -> None:
        self._until[server] = self._now() + _SECONDS

    def __bool__(self) -> bool:
        return bool(self._until)

    def __contains__(self, server: str) -> bool:
        if self._until.get(server, 0.0) > self._now():
            return True
        self._until.pop(server, None)
        return False
