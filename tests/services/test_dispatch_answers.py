"""Answers that speak of single messages: who was taken is never sent again, who was not is told.

Over a SQLite file and over ports in memory.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.answer_mapping import (
    Alignment,
    AnswerItems,
    AnswerMapping,
    AnswerOutcome,
    AnswerRule,
    WaitHint,
    WaitUnit,
)
from domain.callback import CallbackType
from domain.campaign import CampaignState, DeliveryGuarantee
from domain.events import START, EntryKind
from domain.http import AnswerLost, HttpRequest, HttpResponse
from domain.message import MessageState
from domain.message_id import MessageKind, MessageRef
from domain.provider import Header, IdempotencyKey, Limits, Provider, ProviderConfig
from domain.suppression import Suppression, SuppressionReason
from domain.webhook_mapping import WebhookMapping
from services.ports import MessageRow, Recorded, Step
from services.read_message import ReadMessage
from tests.adapters.fake_transport import FakeTransport
from tests.contracts.bench import LEASE, Bench
from tests.contracts.ports import NOW, over_fake, over_sql
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store
from tests.fakes.work_queue import FakeWorkQueue
from tests.services.dispatching import IDS, dispatch_over, provider_config
from tests.support import eventually

ACCEPTED, REJECTED = MessageState.ACCEPTED, MessageState.REJECTED
QUEUED, UNKNOWN = MessageState.QUEUED, MessageState.UNKNOWN
ONCE, AT_LEAST = DeliveryGuarantee.AT_MOST_ONCE, DeliveryGuarantee.AT_LEAST_ONCE

BY_ADDRESS = AnswerMapping(
    success="body.results",
    items=AnswerItems(
        list="body.results",
        alignment=Alignment.ADDRESS,
        address="item.to",
        accepted="item.says == 'ok'",
        retry="item.says == 'later'",
        id="item.id",
        reason="item.why",
        unlisted=AnswerOutcome.RETRY,
        also_statuses=(400,),
    ),
)
BY_ID = WebhookMapping(type="event.type", esp_message_id="event.id")


@pytest.fixture(params=["sql", "fake"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "fake":
        yield await Bench.on(over_fake(Store(FakeClock(NOW))))
        return
    async with over_sql(tmp_path) as ports:
        yield await Bench.on(ports)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One campaign to p0@example.com and so on, and the ESP that it goes to."""

    bench: Bench
    number: int
    esp: FakeTransport

    async def run(self, *, after: float = 0.0) -> None:
        """A worker sends what is due, after so many seconds."""
        self.bench.ports.clock.advance(after)
        claims = await self.bench.ports.queue.claim("w", limit=9, lease_seconds=LEASE)
        for claim in claims:
            await dispatch_over(self.bench.ports, self.esp)(claim, asyncio.Event())

    async def states(self) -> list[MessageState]:
        return await self.bench.states(self.number)

    async def rows(self) -> list[MessageRow]:
        found, _ = await self.bench.ports.campaigns.messages(self.number, after=-1, limit=1000)
        return list(found)

    async def said(self) -> list[tuple[EntryKind, tuple[int, ...], str]]:
        entries = await self.bench.ports.log.read(after=START, limit=1000)
        return [(each.kind, each.ordinals, each.reason) for each in entries]

    def sent_to(self) -> list[list[str]]:
        """The local parts that each request went to."""
        return [[email.partition("@")[0] for email in addresses(r)] for r in self.esp.requests]

    def keys(self) -> list[str]:
        return [dict(request.headers)["Idempotency-Key"] for request in self.esp.requests]


def addresses(request: HttpRequest) -> list[str]:
    return [message["to"] for message in json.loads(request.body or b"")["msgs"]]


async def sending(
    bench: Bench,
    people: int,
    esp: FakeTransport,
    *,
    mapping: AnswerMapping = BY_ADDRESS,
    guarantee: DeliveryGuarantee = ONCE,
    **changes: Any,
) -> Sending:
    config = replace(provider_config(batch=100), answer=mapping, **changes)

    def configure(_: object) -> ProviderConfig:
        return config

    await bench.ports.providers.configure("acme", configure)
    number = await bench.campaign(people, guarantee=guarantee)
    return Sending(bench=bench, number=number, esp=esp)


def results(status: int = 200, /, **says: str) -> HttpResponse:
    """An answer with a part for each local part: `ok`, `later`, or why it was refused."""
    parts = [
        {"to": f"{name}@example.com", "id": f"id-{name}", "says": say, "why": f"{name} is {say}"}
        for name, say in says.items()
    ]
    return answer({"results": parts}, status)


def answer(body: object, status: int = 200, **headers: str) -> HttpResponse:
    given_headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpResponse(status=status, headers=given_headers, body=json.dumps(body).encode())


def all_ok(request: HttpRequest) -> HttpResponse:
    return results(**{email.partition("@")[0]: "ok" for email in addresses(request)})


@pytest.mark.parametrize("status", [200, 400])
async def test_the_taken_and_the_refused_are_settled_and_the_rest_goes_again_alone(
    bench: Bench, status: int
) -> None:
    esp = FakeTransport(all_ok)
    esp.then(results(status, p0="ok", p1="blocked", p2="later", p3="ok", p4="later"))
    sent = await sending(bench, 5, esp)
    await sent.run()
    assert await sent.states() == [ACCEPTED, REJECTED, QUEUED, ACCEPTED, QUEUED]
    assert await sent.said() == [
        (EntryKind.SENT, (0, 3), ""),
        (EntryKind.FAILED, (1,), "p1 is blocked"),
    ]
    await sent.run()
    assert len(esp.requests) == 1
    await sent.run(after=5)
    assert sent.sent_to() == [["p0", "p1", "p2", "p3", "p4"], ["p2", "p4"]]
    assert len(set(sent.keys())) == 2
    assert await sent.states() == [ACCEPTED, REJECTED, ACCEPTED, ACCEPTED, ACCEPTED]
    assert await bench.state(sent.number) is CampaignState.COMPLETED


async def test_a_refused_message_says_why_and_never_a_secret(bench: Bench) -> None:
    esp = FakeTransport(lambda _: results(p0="blocked for s3cret-token\n\x00", p1="ok"))
    header = Header(name="X-Key", value="s3cret-token", secret=True)
    sent = await sending(bench, 2, esp, headers=(header,))
    await sent.run()
    (refused, _) = await sent.rows()
    assert (refused.reason, refused.detail) == ("ESP_REFUSED", "p0 is blocked for ***")


async def test_requests_that_the_esp_took_whole_are_one_entry_and_one_row(bench: Bench) -> None:
    sent = await sending(bench, 250, FakeTransport(all_ok))
    await sent.run()
    assert await bench.counts(sent.number) == {ACCEPTED: 250}
    assert {row.updated_at for row in await sent.rows()} == {None}
    assert sorted(o for _, ordinals, _ in await sent.said() for o in ordinals) == [*range(250)]


async def test_the_rest_is_given_up_once_it_was_tried_enough(bench: Bench) -> None:
    esp = FakeTransport(lambda r: results(**{a.partition("@")[0]: "later" for a in addresses(r)}))
    esp.then(results(p0="ok", p1="later"))
    sent = await sending(bench, 2, esp, limits=Limits(max_attempts=3))
    for _ in range(5):
        await sent.run(after=30)
    assert sent.sent_to() == [["p0", "p1"], ["p1"], ["p1"]]
    assert await sent.states() == [ACCEPTED, REJECTED]
    assert (await sent.rows())[1].detail == "gave up: p1 is later"


async def test_an_esp_that_keeps_its_answers_by_key_is_asked_anew_for_the_rest(
    bench: Bench,
) -> None:
    kept: dict[str, HttpResponse] = {}
    says = iter(["later", "later", "ok"])

    def idempotent(request: HttpRequest) -> HttpResponse:
        key = dict(request.headers)["Idempotency-Key"]
        if key not in kept:
            kept[key] = results(p0=next(says))
        return kept[key]

    sent = await sending(bench, 1, FakeTransport(idempotent))
    for _ in range(3):
        await sent.run(after=30)
    assert await sent.states() == [ACCEPTED]
    assert len(kept) == 3


async def test_who_is_suppressed_meanwhile_is_not_in_the_rest(bench: Bench) -> None:
    esp = FakeTransport(all_ok)
    esp.then(results(p0="later", p1="ok", p2="later"))
    sent = await sending(bench, 3, esp)
    await sent.run()
    await suppress(bench, "p0@example.com")
    await sent.run(after=5)
    assert sent.sent_to()[1:] == [["p2"]]
    assert await sent.states() == [MessageState.SUPPRESSED, ACCEPTED, ACCEPTED]


async def suppress(bench: Bench, key: str) -> None:
    manual = Suppression(email=key, key=key, reason=SuppressionReason.MANUAL, created_at=0.0)
    await bench.ports.suppressions.add([manual])


async def in_flight(sent: Sending) -> "asyncio.Task[None]":
    """A worker whose request has reached the ESP, which says nothing until it is released."""
    sent.esp.hold()
    working = asyncio.create_task(sent.run())
    await eventually(lambda: len(sent.esp.requests) == 1)
    return working


async def test_what_goes_again_is_cancelled_with_its_campaign_and_the_rest_ends_as_it_ends(
    bench: Bench,
) -> None:
    esp = FakeTransport(lambda _: results(p0="ok", p1="blocked", p2="later"))
    sent = await sending(bench, 3, esp, limits=Limits())
    working = await in_flight(sent)
    await bench.put(sent.number, CampaignState.CANCELLED)
    esp.release()
    await working
    await sent.run(after=60)
    assert await sent.states() == [ACCEPTED, REJECTED, MessageState.CANCELLED]
    assert len(esp.requests) == 1


async def test_what_a_callback_has_said_meanwhile_outweighs_the_answer(bench: Bench) -> None:
    esp = FakeTransport(all_ok)
    esp.then(results(p0="ok", p1="blocked", p2="later"))
    sent = await sending(bench, 3, esp, limits=Limits())
    working = await in_flight(sent)
    for ordinal in range(3):
        await bench.say(sent.number, ordinal, CallbackType.DELIVERED)
    await bench.fold()
    esp.release()
    await working
    await sent.run(after=60)
    assert await bench.counts(sent.number) == {MessageState.DELIVERED: 3}
    assert await bench.state(sent.number) is CampaignState.COMPLETED
    assert len(esp.requests) == 1


@pytest.mark.parametrize("guarantee", [ONCE, AT_LEAST])
@pytest.mark.parametrize("body", [b"\x00\xff<html>{]", b"OK", b'{"results": [{"to"', b""])
async def test_what_cannot_be_read_is_unknown_and_never_sent_again_by_itself(
    bench: Bench, guarantee: DeliveryGuarantee, body: bytes
) -> None:
    esp = FakeTransport(lambda _: HttpResponse(status=200, body=body))
    sent = await sending(bench, 2, esp, guarantee=guarantee)
    for _ in range(3):
        await sent.run(after=60)
    assert await sent.states() == [UNKNOWN, UNKNOWN]
    assert {row.reason for row in await sent.rows()} == {"ANSWER_UNREADABLE"}
    assert len(esp.requests) == 1
    assert await sent.said() == []
    await bench.ports.campaigns.resolve_unknown(sent.number, resend=True)
    esp.then(results(p0="ok", p1="ok"))
    await sent.run()
    assert await sent.states() == [ACCEPTED, ACCEPTED]


async def test_a_2xx_without_success_is_refused_and_not_sent_again(bench: Bench) -> None:
    esp = FakeTransport(lambda _: answer({"results": [], "error": "no such sender"}))
    sent = await sending(bench, 2, esp, guarantee=AT_LEAST)
    for _ in range(2):
        await sent.run(after=60)
    assert await sent.states() == [REJECTED, REJECTED]
    assert len(esp.requests) == 1
    detail = (await sent.rows())[0].detail
    assert detail == '200 {"results": [], "error": "no such sender"}'


async def test_a_refusal_after_a_lost_answer_is_no_evidence_message_by_message(
    bench: Bench,
) -> None:
    esp = FakeTransport(all_ok)
    esp.then(AnswerLost("reset"), results(p0="ok", p1="duplicate", p2="later"))
    sent = await sending(bench, 3, esp, guarantee=AT_LEAST)
    await sent.run()
    await sent.run(after=5)
    assert await sent.states() == [ACCEPTED, UNKNOWN, QUEUED]
    assert sent.keys()[0] == sent.keys()[1]
    # What is left may have arrived as well, and so is repeated also to who is suppressed since.
    await suppress(bench, "p2@example.com")
    await sent.run(after=30)
    assert sent.sent_to() == [["p0", "p1", "p2"], ["p0", "p1", "p2"], ["p2"]]
    assert await sent.states() == [ACCEPTED, UNKNOWN, ACCEPTED]


@pytest.mark.parametrize(
    ("hint", "body", "headers"),
    [
        (WaitHint(at="body.wait"), {"wait": 30}, {}),
        (WaitHint(at="headers.reset", unit=WaitUnit.EPOCH), {}, {"reset": str(int(NOW) + 30)}),
        (WaitHint(at="body.none"), {}, {"Retry_After": "30"}),
    ],
    ids=["body", "header", "standard"],
)
@pytest.mark.parametrize("status", [200, 429])
async def test_a_hint_pauses_the_whole_provider(
    bench: Bench, hint: WaitHint, body: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    parts = {"results": [{"to": "p0@example.com", "says": "later"}]}
    esp = FakeTransport(lambda _: answer({**body, **parts}, status, **headers))
    sent = await sending(bench, 1, esp, mapping=replace(BY_ADDRESS, waits=(hint,)))
    await sent.run()
    assert (await bench.ports.providers.get("acme")).paused_until == NOW + 30
    await sent.run(after=29)
    assert len(esp.requests) == 1
    await sent.run(after=2)
    assert len(esp.requests) == 2


async def test_rules_hold_for_the_request_as_a_whole(bench: Bench) -> None:
    rules = (
        AnswerRule(when="body.code == 'busy'", outcome=AnswerOutcome.RETRY),
        AnswerRule(when="body.code == 'bad one'", outcome=AnswerOutcome.HALVE),
        AnswerRule(when="body.code == 'no key'", outcome=AnswerOutcome.PAUSE_CAMPAIGN),
    )
    esp = FakeTransport(lambda _: answer({"code": "no key"}))
    esp.then(answer({"code": "busy"}), answer({"code": "bad one"}), answer({"ok": 1}))
    mapping = AnswerMapping(success="body.ok", rules=rules)
    limits = Limits(max_in_flight=1)
    sent = await sending(bench, 2, esp, mapping=mapping, limits=limits)
    await sent.run()
    await sent.run(after=5)
    assert sent.sent_to() == [["p0", "p1"], ["p0", "p1"], ["p0"], ["p1"]]
    assert len(set(sent.keys())) == 4
    assert await sent.states() == [ACCEPTED, QUEUED]
    assert await bench.state(sent.number) is CampaignState.PAUSED


async def test_ids_of_the_esp_are_stored_where_webhooks_name_messages_by_them(
    bench: Bench,
) -> None:
    number = 70650219165027410
    parts = [{"to": f"p{i}@example.com", "says": "ok", "id": number + i} for i in range(2)]
    parts[1]["says"] = "blocked"
    esp = FakeTransport(lambda _: answer({"results": parts}))
    sent = await sending(bench, 2, esp, webhook=BY_ID)
    await sent.run()
    ids, provider = bench.ports.esp_messages, bench.provider.provider_id
    assert await ids.find(provider, str(number), "") == ref(sent, 0)
    assert await ids.find(provider, str(number + 1), "") is None
    read = ReadMessage(
        campaigns=bench.ports.campaigns,
        log=bench.ports.log,
        search=bench.ports.search,
        esp_messages=ids,
        message_ids=IDS,
    )
    shown = [await read.by_address(sent.number, f"p{i}@example.com") for i in range(2)]
    assert [history.esp_message_id for history in shown] == [str(number), ""]


async def test_an_id_that_many_messages_share_is_told_apart_by_address(bench: Bench) -> None:
    mapping = AnswerMapping(message_id='headers."x-message-id"')
    esp = FakeTransport(lambda _: HttpResponse(status=202, headers=(("X-Message-Id", "abc"),)))
    sent = await sending(bench, 3, esp, mapping=mapping, webhook=BY_ID)
    await sent.run()
    ids, provider = bench.ports.esp_messages, bench.provider.provider_id
    assert await ids.find(provider, "abc", "P2@example.com") == ref(sent, 2)
    assert await ids.find(provider, "abc", "stranger@example.com") is None


@pytest.mark.parametrize("webhook", [None, WebhookMapping(type="event.type", meta="event.meta")])
async def test_no_id_is_stored_where_nothing_asks_for_one(
    bench: Bench, webhook: WebhookMapping | None
) -> None:
    sent = await sending(bench, 2, FakeTransport(all_ok), webhook=webhook)
    await sent.run()
    assert await bench.ports.esp_messages.id_of(ref(sent, 0)) == ""
    assert await sent.states() == [ACCEPTED, ACCEPTED]


def ref(sent: Sending, ordinal: int) -> MessageRef:
    return MessageRef(MessageKind.CAMPAIGN, sent.number, ordinal)


SAYS = st.lists(st.sampled_from(["ok", "later", "no", "unnamed"]), min_size=1, max_size=4)
TROUBLES: list[HttpResponse | AnswerLost | None] = [
    *[None] * 6,
    HttpResponse(status=503),
    HttpResponse(status=200, body=b"<html>"),
    AnswerLost("reset"),
]


class ScriptedEsp:
    """Says of each message what its script says, whose last word it repeats.

    `ended` is what it said last of messages that it took or refused, and `repeated` are those that
    were sent again all the same.
    """

    def __init__(
        self, scripts: list[list[str]], troubles: list[HttpResponse | AnswerLost | None]
    ) -> None:
        self.ended: dict[str, str] = {}
        self.repeated: list[str] = []
        self._left = {f"p{i}": list(script) for i, script in enumerate(scripts)}
        self._troubles = list(troubles)

    def answer(self, request: HttpRequest) -> HttpResponse | AnswerLost:
        names = [email.partition("@")[0] for email in addresses(request)]
        self.repeated += [name for name in names if name in self.ended]
        trouble = self._troubles.pop(0) if self._troubles else None
        if trouble is not None:
            return trouble
        says = {name: self._say(name) for name in names}
        self.ended.update((name, say) for name, say in says.items() if say in ("ok", "no"))
        # With nobody named at all it would be no success.
        return results(**{n: s for n, s in says.items() if s != "unnamed"} or {"copy": "ok"})

    def _say(self, name: str) -> str:
        script = self._left[name]
        return script.pop(0) if len(script) > 1 else script[0]


@settings(max_examples=60, deadline=None)
@given(
    scripts=st.lists(SAYS, min_size=1, max_size=6),
    troubles=st.lists(st.sampled_from(TROUBLES), max_size=6),
    guarantee=st.sampled_from([ONCE, AT_LEAST]),
)
async def test_whatever_is_said_of_each_message_who_was_taken_is_never_sent_again(
    scripts: list[list[str]],
    troubles: list[HttpResponse | AnswerLost | None],
    guarantee: DeliveryGuarantee,
) -> None:
    said = ScriptedEsp(scripts, troubles)
    bench = await Bench.on(over_fake(Store(FakeClock(NOW))))
    sent = await sending(bench, len(scripts), FakeTransport(said.answer), guarantee=guarantee)
    for _ in range(12):
        await sent.run(after=300)
    assert said.repeated == []
    states = await sent.states()
    for i, state in enumerate(states):
        # A refusal is no evidence where the answer to an earlier attempt was lost.
        assert (state is ACCEPTED) is (said.ended.get(f"p{i}") == "ok")
        assert state in (ACCEPTED, REJECTED, UNKNOWN)
    assert await bench.state(sent.number) is CampaignState.COMPLETED
    logged = [(kind, o) for kind, ordinals, _ in await sent.said() for o in ordinals]
    assert len(logged) == len(set(logged))
    taken = {ordinal for kind, ordinal in logged if kind is EntryKind.SENT}
    assert taken == {i for i, state in enumerate(states) if state is ACCEPTED}


async def changed(sent: Sending, **changes: Any) -> None:
    def change(provider: Provider | None) -> ProviderConfig:
        assert provider is not None
        return replace(provider.config, **changes)

    await sent.bench.ports.providers.configure("acme", change)


async def test_a_repeat_to_the_esp_of_before_is_read_as_that_one_answers(bench: Bench) -> None:
    esp = FakeTransport(lambda _: results(p0="blocked for s3cret-token", p1="ok", p2="ok"))
    esp.then(AnswerLost("reset"))
    header = Header(name="X-Key", value="s3cret-token", secret=True)
    sent = await sending(bench, 3, esp, guarantee=AT_LEAST, headers=(header,))
    await sent.run()
    other = AnswerMapping(items=AnswerItems(list="body.results", accepted="item.ok", retry="`1`"))
    headers = (replace(header, value="a key for others"),)
    await changed(sent, http_endpoint="https://other.example/v1", answer=other, headers=headers)
    await sent.run(after=30)
    assert len({request.url for request in esp.requests}) == 1
    assert {dict(request.headers)["X-Key"] for request in esp.requests} == {"s3cret-token"}
    assert await sent.states() == [UNKNOWN, ACCEPTED, ACCEPTED]
    assert (await sent.rows())[0].detail == "p0 is blocked for ***"
    await sent.run(after=300)
    assert len(esp.requests) == 2


async def test_a_repeat_to_the_same_esp_is_read_by_the_corrected_mapping(bench: Bench) -> None:
    esp = FakeTransport(all_ok)
    esp.then(AnswerLost("reset"))
    wrong = AnswerMapping(success="body.resluts")
    sent = await sending(bench, 2, esp, guarantee=AT_LEAST, mapping=wrong)
    await sent.run()
    await changed(sent, answer=BY_ADDRESS)
    await sent.run(after=30)
    assert await sent.states() == [ACCEPTED, ACCEPTED]


async def test_a_worker_repeats_with_the_key_of_the_present(bench: Bench) -> None:
    esp = FakeTransport(all_ok)
    esp.then(AnswerLost("reset"))
    header = Header(name="X-Key", value="key of before", secret=True)
    sent = await sending(bench, 1, esp, guarantee=AT_LEAST, headers=(header,))
    dispatch = dispatch_over(bench.ports, esp)
    for key in ("key of now", "key of later"):
        (claim,) = await bench.ports.queue.claim("w", limit=9, lease_seconds=LEASE)
        await dispatch(claim, asyncio.Event())
        await changed(sent, headers=(replace(header, value=key),))
        bench.ports.clock.advance(30)
    assert [dict(request.headers)["X-Key"] for request in esp.requests] == [
        "key of before",
        "key of now",
    ]


async def test_a_repeat_keeps_the_header_of_its_key_though_the_provider_has_another_by_now(
    bench: Bench,
) -> None:
    esp = FakeTransport(all_ok)
    esp.then(AnswerLost("reset"))
    sent = await sending(bench, 1, esp, guarantee=AT_LEAST)
    await sent.run()
    await changed(sent, idempotency_key=IdempotencyKey(header_name="X-Once"))
    await sent.run(after=30)
    first, second = sent.keys()
    assert first == second


class NotingQueue(FakeWorkQueue):
    """Notes how campaigns stand whenever a message is given back to one."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.noted: list[CampaignState] = []

    async def record(self, steps: Sequence[Step]) -> Sequence[Recorded]:
        for step in steps:
            if any(move.new is QUEUED for move in step.moves):
                number = step.key.campaign_number
                self.noted.append(self._store.campaigns[number].campaign.state)
        return await super().record(steps)


async def test_what_a_refused_key_gives_back_goes_to_a_campaign_that_is_paused_already() -> None:
    """Whoever sees it waiting may resume at once, and must not be paused once more after that."""
    store = Store(FakeClock(NOW))
    queue = NotingQueue(store)
    bench = await Bench.on(replace(over_fake(store), queue=queue))
    sent = await sending(bench, 1, FakeTransport(lambda _: HttpResponse(status=401)))
    await sent.run()
    assert queue.noted == [CampaignState.PAUSED]
    assert await sent.states() == [QUEUED]
