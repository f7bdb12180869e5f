"""Requests to callback URLs that are kept for a while, over every adapter."""

from math import inf

import pytest

from domain.callback import Attributed, CallbackEvent, CallbackType
from domain.message_id import MessageKind, MessageRef
from domain.webhook_request import WebhookRequest
from services.ports import Kept
from tests.contracts.bench import Bench

NOBODY = 999


def request(body: bytes) -> WebhookRequest:
    return WebhookRequest(
        method="POST",
        url="https://x.example/secret",
        headers={"a": "b"},
        query={"c": "d"},
        body=body,
    )


async def keep(bench: Bench, *bodies: bytes, at: float = 100.0, until: float = 200.0) -> None:
    for body in bodies:
        kept = Kept(request(body), until)
        await bench.ports.log.record_callbacks(bench.provider, (), (), received_at=at, kept=kept)


async def bodies(
    bench: Bench,
    *,
    after: int = 0,
    start: float = 0.0,
    end: float = inf,
    limit: int = 10,
    provider_id: int | None = None,
) -> list[bytes]:
    page = await bench.ports.kept_requests.page(
        bench.provider.provider_id if provider_id is None else provider_id,
        after=after,
        received_from=start,
        received_before=end,
        limit=limit,
    )
    return [one.request.body for one in page]


async def test_what_is_kept_comes_back_as_it_was_without_its_url(bench: Bench) -> None:
    await keep(bench, b"one\ntwo\x00\xff")
    (one,) = await bench.ports.kept_requests.page(
        bench.provider.provider_id, after=0, received_from=0.0, received_before=inf, limit=10
    )
    assert one.received_at == 100.0
    assert one.request == WebhookRequest(
        method="POST", url="", headers={"a": "b"}, query={"c": "d"}, body=b"one\ntwo\x00\xff"
    )


async def test_pages_go_on_behind_an_id_in_the_order_of_receipt(bench: Bench) -> None:
    await keep(bench, b"1", b"2", b"3")
    first, second = await bench.ports.kept_requests.page(
        bench.provider.provider_id, after=0, received_from=0.0, received_before=inf, limit=2
    )
    assert (first.request.body, second.request.body) == (b"1", b"2")
    assert await bodies(bench, after=second.id) == [b"3"]


async def test_only_those_of_a_provider_and_a_time_are_found(bench: Bench) -> None:
    await keep(bench, b"early", at=100.0)
    await keep(bench, b"late", at=110.0)
    assert await bodies(bench, start=110.0) == [b"late"]
    assert await bodies(bench, end=110.0) == [b"early"]
    assert await bodies(bench, provider_id=NOBODY) == []


@pytest.mark.parametrize(("now", "left"), [(199.0, [b"1", b"2"]), (200.0, [b"2"]), (300.0, [])])
async def test_what_is_over_is_removed(bench: Bench, now: float, left: list[bytes]) -> None:
    await keep(bench, b"1", until=200.0)
    await keep(bench, b"2", until=300.0)
    assert await bench.ports.kept_requests.prune(now=now) == 2 - len(left)
    assert await bodies(bench) == left


async def test_what_is_foreign_is_kept_as_unprocessed_but_once(bench: Bench) -> None:
    said = {"type": "delivered", "email": "a@x.example", "meta": "m"}
    event = CallbackEvent(**said, description=None, timestamp=None, list_name="", raw=said)
    stranger = MessageRef(MessageKind.CAMPAIGN, 99, 0)
    foreign = [Attributed(event, CallbackType.DELIVERED, stranger, 100.0, 7)]
    for again in (False, True):
        found = await bench.ports.log.record_callbacks(
            bench.provider, foreign, (), received_at=100.0, again=again
        )
        assert list(found) == foreign
    assert await bench.ports.unprocessed() == 1
