"""Where the callback address cannot be listened on: which setting, and why."""

import socket

import pytest
from aiohttp import web

from entrypoints.serve.web import Web


async def refusal(host: str, port: int) -> str:
    with pytest.raises(OSError, match="callback_address") as caught:
        await Web(web.Application(), host=host, port=port).start()
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


async def test_port_0_takes_a_free_one_and_tells_it() -> None:
    one = Web(web.Application(), host="127.0.0.1", port=0)
    await one.start()
    with socket.create_connection(("127.0.0.1", one.port)) as connection:
        assert connection.getpeername()[1] == one.port
    await one.stop()
