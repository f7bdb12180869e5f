"""What the simulated ESP accepts, refuses, counts and shows, through real sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from entrypoints.simulated_esp import Behaviour, EspSettings, Faults, SimulatedEsp

BATCH = {"msgs": [{"to": f"p{number}@x.example", "mid": f"m-{number}"} for number in range(4)]}
ONE = {"to": "p@x.example", "mid": "m-1", "html": "<p>"}


async def get(client: aiohttp.ClientSession, path: str) -> Any:
    async with client.get(path) as response:
        assert response.status == 200
        return await response.json()


async def post(
    client: aiohttp.ClientSession, payload: object, **headers: str
) -> tuple[int, dict[str, Any]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.post("/v1/send", json=payload, headers=named) as response:
        return response.status, await response.json()


async def test_single_messages_batches_and_queries_are_counted_by_message() -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        assert await post(client, ONE) == (200, {"status": "accepted", "accepted": 1})
        assert await post(client, BATCH) == (200, {"status": "accepted", "accepted": 4})
        async with client.get("/any/path", params={"to": "q@x.example", "mid": "m-1"}) as got:
            assert got.status == 200
        async with client.post("/form", data={"email": "f@x.example", "text": "hi"}) as sent:
            assert sent.status == 200

        counts = await get(client, "/_simulator/counts")

    assert counts["requests"]["requests"] == 4
    assert counts["requests"]["statuses"] == {"200": 4}
    assert counts["messages"] == {
        "accepted": 7,
        "distinct": 4,
        "accepted_more_than_once": 1,
        "accepted_more_than_once_ids": ["m-1"],
        "without_id": 1,
        "rejected": 0,
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is no JSON: "),
        (b"{", "the body is no JSON: "),
        (b'{"to": "\xff"}', "the body is no JSON: "),
        (b"[" * 100_000, "the body is no JSON: "),
        (b"17", "the payload must be an object or an array of objects"),
        (b'{"mid": "m-1"}', "message 0 holds no recipient address under to, email"),
    ],
)
async def test_a_payload_without_messages_is_answered_400_with_the_reason(
    body: bytes, reason: str
) -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        async with client.post("/", data=body) as response:
            assert response.status == 400
            assert (await response.json())["reason"].startswith(reason)

        assert esp.counts()["messages"]["accepted"] == 0


async def test_json_that_calls_itself_a_form_is_read_all_the_same() -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        async with client.post("/", data=b'{"to": "a@x.example", "mid": "1"}', headers=form) as got:
            assert got.status == 200

        assert esp.counts()["messages"]["distinct"] == 1


async def test_other_methods_and_long_bodies_are_refused() -> None:
    settings = EspSettings(max_body=1000)
    async with SimulatedEsp(settings) as esp, aiohttp.ClientSession(esp.url) as client:
        async with client.put("/", json=ONE) as put:
            assert (put.status, put.headers["Allow"]) == (405, "GET, POST")
        async with client.post("/", data=b"x" * 1001) as long:
            assert long.status == 413
            assert "1000 bytes (--max-body)" in (await long.json())["reason"]

        assert esp.counts()["requests"]["statuses"] == {"405": 1, "413": 1}


async def test_basic_authentication_is_asked_for_where_it_is_set() -> None:
    settings = EspSettings(basic="user:hunter2")
    async with SimulatedEsp(settings) as esp, aiohttp.ClientSession(esp.url) as client:
        async with client.post("/", json=ONE) as without:
            assert without.status == 401
            assert without.headers["WWW-Authenticate"].startswith("Basic ")
        wrong, _ = await post(client, ONE, Authorization=aiohttp.encode_basic_auth("user", "wrong"))
        right, _ = await post(
            client, ONE, Authorization=aiohttp.encode_basic_auth("user", "hunter2")
        )

        assert (wrong, right) == (401, 200)
        assert esp.counts()["messages"]["accepted"] == 1


async def test_a_repeated_idempotency_key_gets_the_first_answer_and_accepts_nothing() -> None:
    async with (
        SimulatedEsp(behaviour=Behaviour(idempotent=True)) as esp,
        aiohttp.ClientSession(esp.url) as client,
    ):
        first = await post(client, BATCH, Idempotency_Key="k-1")
        again = await post(client, BATCH, Idempotency_Key="k-1")
        other = await post(client, BATCH, Idempotency_Key="k-2")

        assert first == again == other
        assert esp.counts()["messages"]["accepted"] == 8
        assert esp.counts()["requests"]["idempotent_repeats"] == 1


async def test_an_idempotency_key_with_another_body_is_a_conflict() -> None:
    async with (
        SimulatedEsp(behaviour=Behaviour(idempotent=True)) as esp,
        aiohttp.ClientSession(esp.url) as client,
    ):
        await post(client, ONE, Idempotency_Key="k-1")
        status, _ = await post(client, BATCH, Idempotency_Key="k-1")

        assert status == 409
        assert esp.counts()["requests"]["idempotency_conflicts"] == 1
        assert esp.counts()["messages"]["accepted"] == 1


async def test_a_refused_request_does_not_use_up_its_idempotency_key() -> None:
    async with (
        SimulatedEsp(behaviour=Behaviour(idempotent=True)) as esp,
        aiohttp.ClientSession(esp.url) as client,
    ):
        once = {"Idempotency_Key": "k-1", "X_Simulate": "status=503; times=1"}
        assert (await post(client, ONE, **once))[0] == 503
        assert (await post(client, ONE, **once))[0] == 200
        assert (await post(client, ONE, **once))[0] == 200

        assert esp.counts()["requests"]["idempotent_repeats"] == 1
        assert esp.counts()["messages"]["accepted"] == 1


async def test_one_bad_address_refuses_its_batch_until_it_stands_alone() -> None:
    payload = {"msgs": [*BATCH["msgs"], {"to": "reject1@x.example", "mid": "bad"}]}
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        status, answer = await post(client, payload)
        alone, _ = await post(client, payload["msgs"][4])

        assert (status, alone) == (422, 422)
        assert answer["reason"] == "message 4: the address reject1@x.example is refused"
        assert esp.counts()["messages"]["accepted"] == 0
        assert esp.counts()["messages"]["rejected"] == 1
        assert esp.counts()["requests"]["batches_refused"] == 1


async def test_bad_addresses_can_be_named_by_a_header_a_setting_or_a_share() -> None:
    settings = Faults(refuse=("P0@x.example",), refusal_status=400)
    async with (
        SimulatedEsp(behaviour=Behaviour(faults=settings)) as esp,
        aiohttp.ClientSession(esp.url) as client,
    ):
        assert (await post(client, BATCH))[0] == 400
        esp.behave(Behaviour())
        assert (await post(client, BATCH, X_Simulate="fail=p3@x.example"))[0] == 422
        esp.behave(Behaviour(faults=Faults(reject=1.0)))
        assert (await post(client, ONE))[0] == 422
        esp.behave(Behaviour())
        assert (await post(client, BATCH))[0] == 200


async def test_a_batch_can_be_accepted_in_part() -> None:
    behaviour = Behaviour(faults=Faults(partial=True))
    async with (
        SimulatedEsp(behaviour=behaviour) as esp,
        aiohttp.ClientSession(esp.url) as client,
    ):
        status, answer = await post(
            client, {"msgs": BATCH["msgs"][:2]}, X_Simulate="fail=p0@x.example"
        )

        reason = "the address is refused"
        assert (status, answer) == (
            200,
            {
                "status": "partial",
                "accepted": 1,
                "rejected": 1,
                "results": [
                    {"index": 0, "to": "p0@x.example", "meta": "m-0"}
                    | {"status": "rejected", "reason": reason},
                    {"index": 1, "to": "p1@x.example", "meta": "m-1", "status": "accepted"},
                ],
            },
        )
        assert esp.counts()["messages"]["accepted"] == 1
        assert esp.counts()["messages"]["rejected"] == 1


async def test_many_requests_at_once_are_counted_exactly() -> None:
    async with SimulatedEsp() as esp, aiohttp.ClientSession(esp.url) as client:
        payloads = [{"to": f"p{n}@x.example", "mid": f"m-{n % 100}"} for n in range(300)]
        await asyncio.gather(*(post(client, payload) for payload in payloads))

        messages = esp.counts()["messages"]
        assert (messages["accepted"], messages["distinct"]) == (300, 100)
        assert messages["accepted_more_than_once"] == 100


async def first_lines(esp: SimulatedEsp, request: bytes) -> bytes:
    """Send the bytes on a connection of their own; return the head of the first answer."""
    port = int(esp.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return head


async def test_a_client_that_asks_before_it_sends_its_body_is_told_to_go_on() -> None:
    asking = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 15\r\n\r\n"
    async with SimulatedEsp() as esp:
        assert await first_lines(esp, asking) == b"HTTP/1.1 100 Continue\r\n\r\n"
