"""The control endpoints of the simulated ESP, which tests and people read."""

from __future__ import annotations

import aiohttp
import pytest

from entrypoints.simulated_esp import EspSettings, SimulatedEsp
from tests.entrypoints.test_simulated_esp_requests import BATCH, ONE, first_lines, get, post


async def test_a_message_and_its_request_can_be_looked_at() -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        await post(client, ONE, X_Trace="t-1")
        await post(client, {**ONE, "html": "<b>"})
        message = await get(client, "/_simulator/messages?meta=m-1")
        unknown = await get(client, "/_simulator/messages?meta=m-2")
        async with client.post("/_simulator/messages", json=["m-2", "m-1"]) as response:
            several = await response.json()
        seen = await get(client, "/_simulator/requests?last=5")

    assert message == {"meta": "m-1", "accepted": 2, "last": {**ONE, "html": "<b>"}}
    assert unknown == {"meta": "m-2", "accepted": 0, "last": None}
    assert several == {"accepted": [0, 2]}
    first, second = seen["requests"]
    assert (first["method"], first["path"], first["status"]) == ("POST", "/v1/send", 200)
    assert ["X-Trace", "t-1"] in first["headers"]
    assert '"html": "<b>"' in second["body"]


async def test_what_is_kept_is_bounded_and_what_is_counted_is_not() -> None:
    async with (
        SimulatedEsp(EspSettings(keep=2)) as esp,
        aiohttp.ClientSession(esp.url) as client,
    ):
        for _ in range(5):
            await post(client, BATCH)
        kept = await get(client, "/_simulator/requests?last=100")
        forgotten = await get(client, "/_simulator/messages?meta=m-0")
        latest = await get(client, "/_simulator/messages?meta=m-3")

    assert len(kept["requests"]) == 2
    assert forgotten == {"meta": "m-0", "accepted": 5, "last": None}
    assert latest["last"] == BATCH["msgs"][3]


async def test_behaviour_is_changed_while_it_runs_and_counts_start_anew() -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        async with client.put("/_simulator/behaviour", json={"faults": {"throttle": 1}}) as put:
            assert put.status == 200
        assert (await post(client, ONE))[0] == 429
        async with client.put("/_simulator/behaviour", json={"faults": {"throttle": 2}}) as bad:
            assert bad.status == 400
            assert "faults.throttle is 2.0" in (await bad.json())["reason"]
        shown = await get(client, "/_simulator/behaviour")
        async with client.post("/_simulator/reset") as reset:
            assert (await reset.json())["requests"]["requests"] == 0

        assert shown["faults"]["throttle"] == 1.0
        assert (await post(client, ONE))[0] == 429
        assert esp.counts()["requests"]["statuses"] == {"429": 1}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_simulator/cuonts", 404),
        ("POST", "/_simulator/counts", 404),
        ("GET", "/_simulator/messages", 400),
        ("GET", "/_simulator/requests?last=few", 400),
        ("PUT", "/_simulator/behaviour", 400),
        ("POST", "/_simulator/messages", 400),
    ],
)
async def test_a_wrong_control_request_is_told_what_is_wrong(
    method: str, path: str, status: int
) -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        async with client.request(method, path) as response:
            assert response.status == status
            assert (await response.json())["reason"]

        assert esp.counts()["requests"]["requests"] == 0


async def test_headers_that_are_no_text_are_survived_and_shown() -> None:
    start = b"GET /?to=a@x HTTP/1.1\r\nHost: x\r\n"
    async with (
        SimulatedEsp(EspSettings(basic="user:hunter2")) as esp,
        aiohttp.ClientSession(esp.url) as client,
    ):
        told = await first_lines(esp, start + b"X-Simulate: \xff\r\n\r\n")
        auth = await first_lines(esp, start + b"Authorization: \xff\r\n\r\n")
        seen = await get(client, "/_simulator/requests")

    assert told.startswith(b"HTTP/1.1 400 ")
    assert auth.startswith(b"HTTP/1.1 401 ")
    assert ["Authorization", "\ufffd"] in seen["requests"][0]["headers"]
