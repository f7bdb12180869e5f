"""The sockets of the callback address: whose they are, and why they cannot be had."""

import asyncio
import socket
from collections import Counter

import pytest

from entrypoints.serve.listening import close, listen


async def refusal(host: str, port: int) -> str:
    with pytest.raises(OSError, match="callback_address") as caught:
        await listen(host, port, processes=1)
    # What `espalier serve` shows.
    return str(caught.value.strerror)


async def test_a_port_that_is_taken_is_told_with_its_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert await refusal("127.0.0.1", port) == (
            f"callback_address 127.0.0.1:{port} cannot be listened on "
            "(another process listens there)"
        )


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("no-such-host.invalid", "; is the host's name right?)"),
        ("a..b", "(that is no host's name)"),
        ("x" * 64, "(that is no host's name)"),
        # For documentation (RFC 5737): no machine has it.
        ("192.0.2.1", "(this machine has no such address)"),
        # A multicast address, which nothing can listen on as a server.
        ("ff02::1", "(Invalid argument)"),
    ],
)
async def test_a_host_that_cannot_be_listened_on_is_told_with_the_reason(
    host: str, why: str
) -> None:
    told = await refusal(host, 8080)
    assert told.startswith(f"callback_address {host}:8080 cannot be listened on (")
    assert told.endswith(why)


@pytest.mark.parametrize("processes", [1, 2])
async def test_nobody_else_can_listen_on_what_its_processes_share(processes: int) -> None:
    shares = await listen("127.0.0.1", 0, processes=processes)
    port = shares[0][0].getsockname()[1]
    assert "another process listens there" in await refusal("127.0.0.1", port)
    close([one for share in shares for one in share])
    again = await listen("127.0.0.1", port, processes=processes)
    close([one for share in again for one in share])


async def test_an_address_that_is_given_up_in_time_is_had() -> None:
    (share,) = await listen("127.0.0.1", 0, processes=1)
    port = share[0].getsockname()[1]
    waits = asyncio.Event()
    waiting = asyncio.create_task(
        listen("127.0.0.1", port, processes=1, patience_seconds=60, waiting=waits.set)
    )
    await waits.wait()
    close(share)
    (again,) = await waiting
    assert again[0].getsockname()[1] == port
    close(again)


async def test_connections_spread_over_the_sockets_of_all_processes() -> None:
    shares = await listen("127.0.0.1", 0, processes=2)
    sockets = [one for share in shares for one in share]
    address = sockets[0].getsockname()
    accepted: Counter[int] = Counter()
    loop = asyncio.get_running_loop()

    async def accept(place: int) -> None:
        while True:
            connection, _ = await loop.sock_accept(sockets[place])
            connection.close()
            accepted[place] += 1

    tasks = [asyncio.create_task(accept(place)) for place in range(2)]
    async with asyncio.timeout(60):
        # It is a hash of the caller's port that decides.
        while len(accepted) < 2:
            with socket.socket() as caller:
                caller.setblocking(False)
                await loop.sock_connect(caller, address)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    close(sockets)
    assert set(accepted) == {0, 1}


async def test_a_name_of_several_addresses_has_one_port_on_all_of_them() -> None:
    (share,) = await listen("localhost", 0, processes=1)
    addresses = [one.getsockname() for one in share]
    close(share)
    assert len({address[1] for address in addresses}) == 1
    assert {address[0] for address in addresses} <= {"127.0.0.1", "::1"}
