"""The sockets of the callback address.

They are opened by the process that starts the others, one for each process that answers, and the
kernel spreads connections over them. It holds them while one of those is replaced: a caller that
connects meanwhile waits a moment, and is not refused.
"""

import asyncio
import errno
import os
import re
import socket
from collections.abc import Callable, Sequence
from typing import Any

from entrypoints.settings import Settings

# Connections that wait to be accepted; the kernel may allow fewer.
_BACKLOG = 4096
# Seconds until an address that is taken is asked for again.
_ASK_SECONDS = 0.05


async def listen(
    host: str,
    port: int,
    *,
    processes: int,
    patience_seconds: float = 0.0,
    waiting: Callable[[], None] = lambda: None,
) -> list[list[socket.socket]]:
    """For each process its sockets: one for every address that `host` stands for.

    Port 0 takes a free one. Raises OSError, which names the setting, where the address cannot be
    had: also where somebody else listens there who would share it, and still does after
    `patience_seconds`. `waiting` is called where that begins.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + patience_seconds
    waits = False
    while True:
        try:
            return await _open(host, port, processes)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or loop.time() >= until:
                raise
        if not waits:
            waits = True
            waiting()
        await asyncio.sleep(_ASK_SECONDS)


async def _open(host: str, port: int, processes: int) -> list[list[socket.socket]]:
    opened: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, address in await _addresses(host, port):
            # Every family on the port that the first one got.
            taken = opened[0].getsockname()[1] if opened else address[1]
            try:
                opened += _share(family, (address[0], taken, *address[2:]), processes)
            except OSError as error:
                # A machine without IPv6 knows the name of its loopback address all the same.
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
        if missing and not opened:
            raise missing
    except (OSError, UnicodeError) as error:
        close(opened)
        raise _cannot_listen(host, port, error) from error
    return [opened[i::processes] for i in range(processes)]


def close(sockets: Sequence[socket.socket]) -> None:
    for one in sockets:
        one.close()


async def _addresses(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _share(family: int, address: tuple[Any, ...], processes: int) -> list[socket.socket]:
    """Sockets that share one address among them, and with nobody else."""
    first = _bound(family, address)
    shared = [first]
    try:
        first.listen(_BACKLOG)
        for _ in range(processes - 1):
            # Only now: before, another service could have had the address as well.
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            shared.append(_bound(family, first.getsockname(), reuse_port=True))
            shared[-1].listen(_BACKLOG)
    except OSError:
        close(shared)
        raise
    return shared


def _bound(family: int, address: tuple[Any, ...], *, reuse_port: bool = False) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Connections of an earlier run that are still winding down do not count.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setblocking(False)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _cannot_listen(host: str, port: int, error: OSError | UnicodeError) -> OSError:
    """`error` itself does not say which setting to change."""
    match error:
        case socket.gaierror():
            why = f"{error.strerror}; is the host's name right?"
        case OSError(errno=errno.EADDRINUSE):
            why = "another process listens there"
        case OSError(errno=errno.EADDRNOTAVAIL):
            why = "this machine has no such address"
        case OSError():
            # The event loop's own text repeats the address.
            why = os.strerror(error.errno) if error.errno else str(error)
        case _:
            why = "that is no host's name"
    text = f"callback_address {host}:{port} cannot be listened on ({why})"
    number = error.errno if isinstance(error, OSError) else None
    return OSError(number or errno.EADDRNOTAVAIL, text)


def public_base_url(settings: Settings, port: int) -> str:
    """Where nobody named the URL, it is that of the bound port, which may have been a free one."""
    return re.sub(r":0$", f":{port}", settings.public_base_url).rstrip("/")
