"""What was taken in and is not stored yet: bounded, so that a burst cannot fill the memory."""

# What a request costs besides its body, while it waits: its task, its buffers, its headers.
REQUEST_BYTES = 16 * 1024
# Events as objects take so many times the bytes of their body.
BODY_FACTOR = 4


class Overloaded(Exception):
    """There is no room for it now; nothing of it was kept."""


class Backlog:
    """How much memory the requests under way may still take up: `free` bytes."""

    def __init__(self, *, limit: int) -> None:
        self.free = limit


class Room:
    """What one request takes up of the backlog, until it leaves."""

    __slots__ = ("_backlog", "_taken")

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._taken = 0

    def make(self, body_bytes: int) -> None:
        """For a body of so many bytes in all. Raises Overloaded."""
        more = REQUEST_BYTES + BODY_FACTOR * body_bytes - self._taken
        if more > self._backlog.free:
            raise Overloaded
        if more > 0:
            self._backlog.free -= more
            self._taken += more

    def leave(self) -> None:
        self._backlog.free += self._taken
        self._taken = 0
