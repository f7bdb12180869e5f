"""The callbacks that the simulated ESP posts, at a real receiver."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from entrypoints.simulated_esp import Behaviour, Callbacks, EspSettings, SimulatedEsp
from tests.support import eventually, free_port

ALL_ARRIVE = Callbacks(
    delivered=1.0, hard_bounce=0.0, soft_bounce=0.0, clicked=0.0, unsubscribed=0.0, spam=0.0
)


@dataclass
class Receiver:
    """A callback URL that keeps what it gets, and answers as scripted before it accepts."""

    url: str = ""
    script: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events, in the order of the requests and as they stand in each."""
        lists = [body["events"][name] for body in self.bodies for name in ("success", "failed")]
        return [event for events in lists for event in events]

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.script:
            status, headers = self.script.pop(0)
            return web.Response(status=status, headers=headers)
        self.bodies.append(body)
        unprocessed = [event for event in self.events if event["meta"].startswith("strange")]
        return web.json_response({"UNPROCESSED_EVENTS": unprocessed})


@asynccontextmanager
async def receiving(**given: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(**given)
    app = web.Application()
    app.router.add_post("/callbacks/token", receiver.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{site.port}/callbacks/token"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@asynccontextmanager
async def calling_back(plan: Callbacks, **settings: Any) -> AsyncIterator[SimulatedEsp]:
    async with SimulatedEsp(EspSettings(**settings), Behaviour(callbacks=plan)) as esp:
        yield esp


def to(receiver: Receiver, **changes: Any) -> Callbacks:
    """Return callbacks for the receiver by which each message is delivered, and no more."""
    return replace(ALL_ARRIVE, **{"url": receiver.url, **changes})


async def send(esp: SimulatedEsp, *addresses: str) -> None:
    msgs = [{"to": address, "mid": f"id-{address.split('@')[0]}"} for address in addresses]
    async with (
        aiohttp.ClientSession() as client,
        client.post(esp.url, json={"msgs": msgs}) as response,
    ):
        assert response.status == 200


async def settled(esp: SimulatedEsp) -> None:
    await eventually(lambda: esp.counts()["callbacks"]["pending"] == 0)


async def test_an_event_has_the_fields_of_a_v2_callback_and_the_meta_that_was_given() -> None:
    async with receiving() as receiver, calling_back(to(receiver)) as esp:
        await send(esp, "Bounce@x.example", "a@x.example")
        await settled(esp)

    [body] = receiver.bodies
    stamps = {event.pop("timestamp") for event in receiver.events}
    assert body == {
        "version": "v2",
        "events": {
            "success": [{"type": "delivered", "email": "a@x.example", "meta": "id-a"}],
            "failed": [
                {
                    "type": "hard_bounce",
                    "email": "Bounce@x.example",
                    "meta": "id-Bounce",
                    "description": "550 5.1.1 Mailbox does not exist",
                }
            ],
        },
    }
    assert all(isinstance(stamp, int) and stamp > 1_700_000_000 for stamp in stamps)


async def test_what_follows_a_delivery_is_posted_after_it() -> None:
    async with receiving() as receiver, calling_back(to(receiver, clicked=1.0)) as esp:
        await send(esp, "unsub@x.example", "spam@x.example", "click@x.example", "a@x.example")
        await settled(esp)

    def types_of(meta: str) -> list[str]:
        return [event["type"] for event in receiver.events if event["meta"] == meta]

    assert types_of("id-unsub") == ["delivered", "unsubscribed"]
    assert types_of("id-spam") == ["delivered", "spam"]
    assert types_of("id-click") == ["delivered", "clicked"]
    assert types_of("id-a") == ["delivered", "clicked"]


async def test_counts_by_type_are_the_same_however_the_messages_are_batched() -> None:
    plan = {"hard_bounce": 0.2, "soft_bounce": 0.1, "delivered": 0.6, "clicked": 0.5, "spam": 0.2}
    addresses = [f"person{number}@x.example" for number in range(300)]
    async with receiving() as receiver:
        async with calling_back(to(receiver, **plan)) as esp:
            await send(esp, *addresses)
            await settled(esp)
            at_once = esp.counts()["callbacks"]["acknowledged_by_type"]
        received = Counter(event["type"] for event in receiver.events)
        async with calling_back(to(receiver, **plan, batch=7)) as esp:
            for start in range(0, 300, 50):
                await send(esp, *reversed(addresses[start : start + 50]))
            await settled(esp)
            in_parts = esp.counts()["callbacks"]["acknowledged_by_type"]

    assert at_once == in_parts == dict(received)
    assert set(at_once) == {"delivered", "hard_bounce", "soft_bounce", "clicked", "spam"}
    assert max(len(_events_of(body)) for body in receiver.bodies[-20:]) <= 7


def _events_of(body: dict[str, Any]) -> list[Any]:
    return [*body["events"]["success"], *body["events"]["failed"]]


@pytest.mark.parametrize(
    "refusal",
    [
        (429, {"Retry-After": "0"}),
        (500, {}),
        (503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
    ],
)
async def test_a_refusal_for_now_is_retried_with_the_same_events(
    refusal: tuple[int, dict[str, str]],
) -> None:
    script = [refusal, refusal]
    async with receiving(script=script) as receiver, calling_back(to(receiver)) as esp:
        await send(esp, "a@x.example")
        await settled(esp)
        counts = esp.counts()["callbacks"]

    assert [event["meta"] for event in receiver.events] == ["id-a"]
    assert (counts["requests"], counts["retries"], counts["posted"]) == (3, 2, 3)
    assert (counts["acknowledged"], counts["failed"]) == (1, 0)


async def test_a_refusal_for_good_is_not_retried_and_what_would_follow_fails_with_it() -> None:
    async with receiving(script=[(400, {})]) as receiver, calling_back(to(receiver)) as esp:
        await send(esp, "click@x.example")
        await settled(esp)
        counts = esp.counts()["callbacks"]

    assert receiver.bodies == []
    assert (counts["requests"], counts["acknowledged"], counts["failed"]) == (1, 0, 2)


async def test_a_receiver_that_is_not_there_is_tried_so_often_and_no_more() -> None:
    async with receiving() as receiver:
        nobody = f"http://127.0.0.1:{free_port()}/"
        async with calling_back(to(receiver, url=nobody, attempts=2)) as esp:
            await send(esp, "a@x.example")
            await settled(esp)
            counts = esp.counts()["callbacks"]

    assert (counts["requests"], counts["failed"]) == (2, 1)


async def test_duplicates_repeat_the_whole_event_and_are_counted_apart() -> None:
    async with receiving() as receiver, calling_back(to(receiver, duplicates=1.0)) as esp:
        await send(esp, "click@x.example")
        await settled(esp)
        counts = esp.counts()["callbacks"]

    assert Counter(str(event) for event in receiver.events).most_common(1)[0][1] == 2
    assert len({str(event) for event in receiver.events}) == 2
    assert counts["acknowledged_by_type"] == {"delivered": 1, "clicked": 1}
    assert counts["duplicates"] == 2


async def test_what_the_receiver_cannot_process_is_counted() -> None:
    async with receiving() as receiver, calling_back(to(receiver)) as esp:
        async with aiohttp.ClientSession() as client:
            await client.post(esp.url, json={"to": "a@x.example", "mid": "strange-1"})
        await settled(esp)

        assert esp.counts()["callbacks"]["unprocessed"] == 1


async def test_a_stop_posts_what_waits_without_its_delay() -> None:
    async with receiving() as receiver:
        async with calling_back(to(receiver, delay=3600.0)) as esp:
            await send(esp, "click@x.example")
            assert receiver.bodies == []
        counts = esp.counts()["callbacks"]

    assert [event["type"] for event in receiver.events] == ["delivered", "clicked"]
    assert counts["pending"] == 0


async def test_a_stop_ends_in_time_when_nobody_takes_the_callbacks() -> None:
    async with receiving(script=[(503, {"Retry-After": "3600"})]) as receiver:
        async with calling_back(to(receiver), flush_seconds=0.05) as esp:
            await send(esp, "a@x.example")
        counts = esp.counts()["callbacks"]

    assert (counts["acknowledged"], counts["pending"]) == (0, 1)


async def test_a_full_backlog_refuses_messages_instead_of_forgetting_them() -> None:
    async with receiving() as receiver:
        plan = to(receiver, delay=3600.0, backlog=3)
        async with calling_back(plan) as esp:
            await send(esp, "a@x.example", "b@x.example")
            async with (
                aiohttp.ClientSession() as client,
                client.post(esp.url, json=[{"to": "c@x.example"}, {"to": "d@x.example"}]) as full,
            ):
                assert (full.status, full.headers["Retry-After"]) == (429, "1")
            assert esp.counts()["messages"]["accepted"] == 2

    assert len(receiver.events) == 2


async def test_the_url_can_be_set_while_it_runs() -> None:
    async with receiving() as receiver, SimulatedEsp() as esp:
        await send(esp, "early@x.example")
        async with (
            aiohttp.ClientSession() as client,
            client.put(
                f"{esp.url}/_simulator/behaviour",
                json={"callbacks": {"url": receiver.url, "delivered": 0.96}},
            ) as changed,
        ):
            assert changed.status == 200
        await send(esp, "click@x.example")
        await settled(esp)

    assert [event["meta"] for event in receiver.events] == ["id-click", "id-click"]


async def test_a_reset_forgets_the_callbacks_that_wait() -> None:
    async with receiving() as receiver, calling_back(to(receiver, delay=3600.0)) as esp:
        await send(esp, "a@x.example")
        async with aiohttp.ClientSession() as client:
            await client.post(f"{esp.url}/_simulator/reset")
        assert esp.counts()["callbacks"]["pending"] == 0

    assert receiver.bodies == []
