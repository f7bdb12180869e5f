"""How many connections a process has file descriptors for."""

import resource
from contextlib import suppress
from typing import NamedTuple

# For all else that a process opens: its database, its event loop, its callers.
_OTHERS = 256
_NO_LIMIT = resource.RLIM_INFINITY


class Room(NamedTuple):
    """`soft_limit` is what is to be set, `connections` are what that has room for."""

    soft_limit: int
    connections: int


def room_for(connections: int, *, soft: int, hard: int) -> Room:
    """The room for so many `connections`, or for as many as the hard limit allows; at least one."""
    needed = connections + _OTHERS
    if soft != _NO_LIMIT and soft < needed:
        soft = needed if hard == _NO_LIMIT else min(needed, hard)
    if soft == _NO_LIMIT:
        return Room(soft, connections)
    return Room(soft, max(1, min(connections, soft - _OTHERS)))


def make_room(connections: int) -> int:
    """Raise this process's soft limit as far as that needs; how many connections there may be.

    The soft limit is often 1,024, for the sake of programs that use select(2). Beyond it opening a
    connection fails, and a message would use up its attempts for nothing; it had better wait.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = room_for(connections, soft=soft, hard=hard)
    if room.soft_limit == soft:
        return room.connections
    # A system may allow less than its hard limit says.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (room.soft_limit, hard))
        return room.connections
    return room_for(connections, soft=soft, hard=soft).connections
