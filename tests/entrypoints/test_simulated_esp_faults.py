"""How the simulated ESP goes wrong when it is told to, as a client sees it on a real socket."""

from __future__ import annotations

import asyncio
import io
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from entrypoints.simulated_esp import Behaviour, Faults, SimulatedEsp, Span
from tests.support import eventually

ONE = {"to": "p@x.example", "mid": "m-1"}


async def answer(client: aiohttp.ClientSession, header: str = "", key: str = "") -> str:
    """Send one message; return the status, or how the connection ended."""
    headers = {"X-Simulate": header} if header else {}
    headers |= {"Idempotency-Key": key} if key else {}
    try:
        async with client.post("/", json=ONE, headers=headers) as response:
            body = await response.read()
    except aiohttp.ClientConnectionError:
        return "dropped"
    return str(response.status) if body.startswith(b'{"status":') else "garbage"


@pytest.mark.parametrize("status", [202, 302, 400, 401, 404, 429, 500, 503, 599])
async def test_a_header_picks_the_status_and_only_success_accepts(status: int) -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        async with client.post(
            "/", json=ONE, headers={"X-Simulate": f"status={status}"}, allow_redirects=False
        ) as response:
            assert response.status == status

        assert esp.counts()["messages"]["accepted"] == (1 if status < 300 else 0)
        assert esp.counts()["requests"]["statuses"] == {str(status): 1}


async def test_retry_after_comes_in_seconds_or_as_a_date() -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        seconds = {"X-Simulate": "status=429; retry-after=7"}
        async with client.post("/", json=ONE, headers=seconds) as response:
            assert response.headers["Retry-After"] == "7"
        date = {"X-Simulate": "status=503; retry-after-date=60"}
        async with client.post("/", json=ONE, headers=date) as response:
            asked = parsedate_to_datetime(response.headers["Retry-After"])
            sent = parsedate_to_datetime(response.headers["Date"])

    assert (asked - sent).total_seconds() == pytest.approx(60, abs=2)


async def test_a_dropped_request_accepts_nothing_and_a_lost_answer_does() -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        assert await answer(client, "drop") == "dropped"
        assert esp.counts()["messages"]["accepted"] == 0
        assert await answer(client, "drop=after") == "dropped"
        assert esp.counts()["messages"]["accepted"] == 1
        assert await answer(client) == "200"

        requests = esp.counts()["requests"]
        assert requests["dropped_before_reading"] == 1
        assert requests["dropped_after_accepting"] == 1
        assert requests["statuses"] == {"200": 1}


async def test_a_large_body_is_dropped_without_being_read() -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        large = io.BytesIO(b"x" * 30_000_000)
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.post("/", data=large, headers={"X-Simulate": "drop"})

        assert esp.counts()["requests"]["dropped_before_reading"] == 1


async def test_garbage_comes_with_a_success_and_the_message_counts() -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        assert await answer(client, "garbage") == "garbage"

        assert esp.counts()["messages"]["accepted"] == 1


async def test_a_dripped_answer_arrives_whole_at_a_client_with_patience() -> None:
    async with (
        SimulatedEsp() as esp,
        aiohttp.ClientSession(esp.url) as client,
        client.post("/", json=ONE, headers={"X-Simulate": "drip=0"}) as response,
    ):
        assert await response.json() == {"status": "accepted", "accepted": 1}
        assert response.headers["Connection"] == "close"


async def test_a_dripped_answer_comes_byte_by_byte_from_its_very_first() -> None:
    async with SimulatedEsp() as esp:
        port = int(esp.url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = b'{"to":"a@x.example","mid":"m-1"}'
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"X-Simulate: drip=60\r\n\r\n" + body)

        assert await reader.read(100) == b"H"
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_gives_up_on_a_slow_answer_has_still_sent_its_message() -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        waiting = asyncio.create_task(answer(client, "drip=60"))
        await eventually(lambda: esp.counts()["messages"]["accepted"] == 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        assert await answer(client) == "200"
        assert esp.counts()["messages"]["accepted_more_than_once"] == 1


async def test_a_delay_holds_back_one_request_and_no_other_and_a_stop_ends_it() -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        slow = asyncio.create_task(answer(client, "delay=50-60"))
        await eventually(lambda: esp.counts()["requests"]["requests"] == 1)

        assert await answer(client) == "200"
        assert not slow.done()
        await esp.stop()
        assert await slow == "200"


async def test_times_counts_per_idempotency_key() -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        told = "status=503; times=2"
        assert [await answer(client, told, "k-1") for _ in range(4)] == ["503", "503", "200", "200"]
        assert [await answer(client, told, "k-2") for _ in range(3)] == ["503", "503", "200"]


async def test_a_header_that_cannot_be_obeyed_is_answered_400() -> None:
    async with (
        SimulatedEsp() as esp,
        aiohttp.ClientSession(esp.url) as client,
        client.post("/", json=ONE, headers={"X-Simulate": "explode"}) as response,
    ):
        assert response.status == 400
        assert "X-Simulate: explode is unknown" in (await response.json())["reason"]


@pytest.mark.parametrize(
    ("faults", "met"),
    [
        (Faults(throttle=1.0), "429"),
        (Faults(client_errors=1.0, client_error_status=413), "413"),
        (Faults(server_errors=1.0, server_error_status=502), "502"),
        (Faults(drop=1.0), "dropped"),
        (Faults(lose_answers=1.0), "dropped"),
        (Faults(garbage=1.0), "garbage"),
        (Faults(drip=1.0, drip_seconds=0.0), "200"),
        (Faults(delay=Span(low=0.01, high=0.02)), "200"),
    ],
)
async def test_each_fault_strikes_by_its_share(faults: Faults, met: str) -> None:
    async with (
        SimulatedEsp(behaviour=Behaviour(faults=faults)) as esp,
        aiohttp.ClientSession(esp.url) as client,
    ):
        assert await answer(client) == met


async def test_one_seed_makes_the_same_faults_in_the_same_order() -> None:
    async def meet(seed: int) -> list[str]:
        faults = Faults(throttle=0.2, server_errors=0.2, drop=0.1, lose_answers=0.1, garbage=0.1)
        behaviour = Behaviour(faults=faults, seed=seed)
        async with (
            SimulatedEsp(behaviour=behaviour) as esp,
            aiohttp.ClientSession(esp.url) as client,
        ):
            return [await answer(client) for _ in range(60)]

    first = await meet(3)

    assert set(first) == {"200", "429", "503", "dropped", "garbage"}
    assert await meet(3) == first
    assert await meet(4) != first


async def test_a_request_with_a_header_meets_no_fault_by_chance() -> None:
    async with (
        SimulatedEsp(behaviour=Behaviour(faults=Faults(throttle=1.0))) as esp,
        aiohttp.ClientSession(esp.url) as client,
    ):
        assert await answer(client, "status=200") == "200"
        assert await answer(client) == "429"


async def test_a_client_that_breaks_off_its_body_is_counted_and_harms_nobody() -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        port = int(esp.url.rsplit(":", 1)[1])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        await eventually(lambda: esp.counts()["requests"]["requests"] == 1)
        writer.transport.abort()

        await eventually(lambda: esp.counts()["requests"]["broken_off_by_client"] == 1)
        assert await answer(client) == "200"
