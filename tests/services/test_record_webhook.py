"""RecordWebhook, ReplayCallbacks and SimulateCallback over a store in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from domain.callback import UNKNOWN_META, BadCallback, CallbackType
from domain.errors import NotFound, NotPossibleNow
from domain.events import Cursor, LogEntry
from domain.http import HttpResponse
from domain.message_id import MessageIds
from domain.provider import Provider
from domain.webhook import NO_MESSAGE
from domain.webhook_mapping import Signature, SignatureScheme, TypeRule, WebhookMapping
from domain.webhook_request import WebhookRequest
from services.confirm_subscription import ConfirmSubscription
from services.ports import EspMessage, Trace, Verified
from services.read_webhook import ReadWebhook
from services.record_callback import RecordCallback
from services.record_webhook import BadSignature, RecordWebhook
from services.replay_callbacks import ReplayCallbacks
from services.simulate_callback import SimulateCallback
from tests.adapters.fake_transport import FakeTransport
from tests.contracts.bench import Bench
from tests.contracts.ports import NOW, over_fake
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store

IDS = MessageIds(b"k" * 32)
META = IDS.campaign_message(1, 0)
MAPPING = WebhookMapping(
    events="body",
    type="event.type",
    types=(
        TypeRule(pattern="ok", type=CallbackType.DELIVERED),
        TypeRule(pattern="seen", type=CallbackType.OPENED),
    ),
    email="event.to",
    meta="event.mid",
    esp_message_id="event.id",
    dedupe="event.key",
    timestamp="event.at",
)


class Doorkeeper:
    """A verifier that lets pass what carries the right word, and sees what was here before."""

    def __init__(self) -> None:
        self.remembered: list[Verified] = []

    async def verify(
        self, signatures: Sequence[Signature], request: WebhookRequest
    ) -> Verified | None:
        if request.headers.get("word") == "wrong":
            return None
        trace = Trace(use=request.body, body=b"", until=inf)
        verified = Verified(traces=(trace,))
        return replace(verified, repeated=True) if verified in self.remembered else verified

    async def remember(self, verified: Verified) -> None:
        self.remembered.append(verified)


@pytest.fixture
def store() -> Store:
    return Store(FakeClock(NOW))


@pytest.fixture
async def bench(store: Store) -> Bench:
    """Campaign 1 of two messages has gone out through acme."""
    bench = await Bench.on(over_fake(store))
    assert await bench.sent(2) == 1
    return bench


def mapped(bench: Bench, mapping: WebhookMapping | None = MAPPING, *, version: int = 2) -> Provider:
    config = replace(bench.provider.config, webhook=mapping)
    return replace(bench.provider, config=config, version=version)


async def record(
    bench: Bench,
    body: Any,
    *,
    mapping: WebhookMapping = MAPPING,
    doorkeeper: Doorkeeper | None = None,
    transport: FakeTransport | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    request = WebhookRequest(method="POST", url="", headers=headers, body=raw)
    ports = bench.ports
    use_case = RecordWebhook(
        log=ports.log,
        read=ReadWebhook(IDS, ports.esp_messages),
        record_callback=RecordCallback(ports.log, IDS, ports.clock),
        signatures=doorkeeper or Doorkeeper(),
        confirm=ConfirmSubscription(transport or FakeTransport()),
        clock=ports.clock,
    )
    return await use_case(mapped(bench, mapping), mapping, request)


async def stored(bench: Bench) -> list[LogEntry]:
    """What the log holds behind the entry that says that the campaign went out."""
    return list(await bench.ports.log.read(after=Cursor(1, 1), limit=10))


def ok(**changes: Any) -> dict[str, Any]:
    return {"type": "ok", "to": "a@x.example", "mid": META, **changes}


async def test_mapped_events_are_stored_with_their_types(bench: Bench) -> None:
    answer = await record(bench, [ok(at=NOW - 5), ok(type="seen"), ok(type="odd")])
    assert answer == {"TOTAL_EVENTS": 3, "PROCESSED_EVENTS": 3}
    entries = await stored(bench)
    assert [entry.callback_type for entry in entries] == ["delivered", "opened", "unknown"]
    assert [entry.occurred_at for entry in entries] == [NOW - 5, NOW, NOW]


async def test_a_repeat_is_stored_once(bench: Bench) -> None:
    for at in (1, 2):
        assert (await record(bench, ok(key="k", at=NOW + at)))["PROCESSED_EVENTS"] == 1
    assert len(await stored(bench)) == 1


async def test_what_names_no_message_is_kept_and_is_no_error(store: Store, bench: Bench) -> None:
    elsewhere = IDS.campaign_message(2, 0)
    answer = await record(bench, [ok(mid="forged"), ok(mid=elsewhere), ok(mid=None), {}, 7])
    assert answer == {"TOTAL_EVENTS": 5, "PROCESSED_EVENTS": 0}
    assert sorted(item.reason for item in store.unprocessed) == [UNKNOWN_META] + 4 * [NO_MESSAGE]
    assert await stored(bench) == []


async def test_a_message_is_found_by_the_id_that_the_esp_gave_it(bench: Bench) -> None:
    second = IDS.read(IDS.campaign_message(1, 1))
    assert second is not None
    told = EspMessage("70650219165027410", second, "b@x.example")
    await bench.ports.esp_messages.add(bench.provider.provider_id, [told])
    await record(bench, ok(mid=None, id=70650219165027410))
    assert [entry.message for entry in await stored(bench)] == [second]


async def test_a_body_of_version_2_is_taken_by_a_mapped_provider_too(bench: Bench) -> None:
    event = {"type": "clicked", "email": "a@x.example", "meta": META}
    answer = await record(bench, {"version": "v2", "events": {"success": [event]}})
    assert answer["PROCESSED_EVENTS"] == 1
    assert [entry.callback_type for entry in await stored(bench)] == ["clicked"]


async def test_a_bad_signature_stores_nothing(store: Store, bench: Bench) -> None:
    with pytest.raises(BadSignature):
        await record(bench, ok(), headers={"word": "wrong"})
    assert await stored(bench) == []
    assert (store.kept, store.unprocessed) == ([], [])


async def test_a_request_that_was_stored_is_answered_and_not_read_again(
    store: Store, bench: Bench
) -> None:
    doorkeeper = Doorkeeper()
    for _ in range(2):
        await record(bench, ok(), doorkeeper=doorkeeper)
    assert (len(await stored(bench)), len(store.kept)) == (1, 1)


async def test_the_confirmation_that_sns_asks_for_is_given_and_is_no_event(
    store: Store, bench: Bench
) -> None:
    topic = "arn:aws:sns:eu-west-1:1:mail"
    sns = Signature(scheme=SignatureScheme.SNS, topics=(topic,))
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    asked = {"Type": "SubscriptionConfirmation", "TopicArn": topic, "SubscribeURL": url}
    transport = FakeTransport(lambda _: HttpResponse(status=200, headers=(), body=b""))
    answer = await record(
        bench, asked, mapping=replace(MAPPING, signatures=(sns,)), transport=transport
    )
    assert answer["TOTAL_EVENTS"] == 0
    assert [request.url for request in transport.requests] == [url]
    assert (await stored(bench), store.unprocessed) == ([], [])


async def test_what_cannot_be_read_is_refused_kept_and_not_remembered(
    store: Store, bench: Bench
) -> None:
    doorkeeper = Doorkeeper()
    with pytest.raises(BadCallback):
        await record(bench, b"no json", doorkeeper=doorkeeper)
    assert [kept.request.body for _, _, kept in store.kept] == [b"no json"]
    assert doorkeeper.remembered == []


async def test_what_proves_the_caller_is_not_kept(store: Store, bench: Bench) -> None:
    token = Signature(scheme=SignatureScheme.HEADER_TOKEN, header="X-Token", secrets=("s",))
    mapping = replace(MAPPING, signatures=(token,))
    headers = {"authorization": "Basic c2VjcmV0", "x-token": "s", "x-id": "1"}
    await record(bench, ok(), mapping=mapping, headers=headers)
    assert [dict(kept.request.headers) for _, _, kept in store.kept] == [{"x-id": "1"}]


async def test_nothing_is_kept_where_it_is_not_wanted(store: Store, bench: Bench) -> None:
    await record(bench, ok(), mapping=replace(MAPPING, keep_raw_seconds=0.0))
    assert store.kept == []


async def configured(bench: Bench, mapping: WebhookMapping | None) -> None:
    config = replace(bench.provider.config, webhook=mapping)
    await bench.ports.providers.configure(config.nickname, lambda _: config)


async def replayed(bench: Bench, *, after: int = 0, limit: int = 10) -> tuple[Any, ...]:
    replay = ReplayCallbacks(
        providers=bench.ports.providers,
        kept=bench.ports.kept_requests,
        read=ReadWebhook(IDS, bench.ports.esp_messages),
        log=bench.ports.log,
    )
    return await replay(
        bench.provider.config.nickname,
        after=after,
        received_from=0.0,
        received_before=inf,
        limit=limit,
    )


async def test_kept_requests_are_read_again_by_a_corrected_mapping(
    store: Store, bench: Bench
) -> None:
    await record(bench, [ok(), ok(type="gone"), ok(mid=IDS.campaign_message(2, 0))])
    with pytest.raises(BadCallback):
        await record(bench, b"no json")
    gone = TypeRule(pattern="gone", type=CallbackType.DROPPED)
    await configured(bench, replace(MAPPING, types=(*MAPPING.types, gone)))
    before = len(store.unprocessed)

    assert await replayed(bench) == (2, 1, 3, 2, None)
    assert await replayed(bench, limit=1) == (1, 0, 3, 2, 1)
    assert await replayed(bench, after=1) == (1, 1, 0, 0, None)

    entries = await stored(bench)
    assert [entry.callback_type for entry in entries] == ["delivered", "unknown", "dropped"]
    assert len(store.unprocessed) == before


async def simulated(bench: Bench, body: Any) -> Any:
    simulate = SimulateCallback(
        providers=bench.ports.providers,
        read=ReadWebhook(IDS, bench.ports.esp_messages),
        message_ids=IDS,
        clock=bench.ports.clock,
    )
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    request = WebhookRequest(method="POST", url="", body=raw)
    return await simulate(bench.provider.config.nickname, request)


async def test_a_simulation_tells_what_would_come_and_stores_nothing(
    store: Store, bench: Bench
) -> None:
    await configured(bench, replace(MAPPING, skip="event.skip"))
    shown = await simulated(bench, [ok(at=NOW - 9), {"skip": 1}, ok(mid="forged", type="odd")])
    first, second = shown.events
    assert (first.message_id, first.occurred_at, first.reason) == (META, NOW - 9, "")
    assert (second.event.type, second.message_id, second.reason) == ("unknown", "", NO_MESSAGE)
    assert (shown.skipped, shown.status, shown.problem) == (1, 200, "")
    assert await stored(bench) == []
    assert (store.kept, store.unprocessed) == ([], [])


async def test_a_simulation_tells_why_a_body_cannot_be_read(bench: Bench) -> None:
    await configured(bench, MAPPING)
    shown = await simulated(bench, b"no json")
    assert (shown.status, shown.events) == (400, ())
    assert "JSON" in shown.problem


async def test_without_a_mapping_there_is_nothing_to_simulate_or_replay(bench: Bench) -> None:
    with pytest.raises(NotPossibleNow, match="webhook"):
        await simulated(bench, {})
    with pytest.raises(NotPossibleNow, match="webhook"):
        await replayed(bench)


async def test_a_provider_that_is_not_there_is_told(bench: Bench) -> None:
    await configured(bench, MAPPING)
    await bench.ports.providers.delete(bench.provider.config.nickname, etag="")
    with pytest.raises(NotFound):
        await simulated(bench, {})
