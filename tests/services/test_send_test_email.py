"""SendTestEmail over ports in memory, and once through libcurl to the simulated ESP."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from adapters.curl import CurlOptions, CurlTransport
from domain.answer_mapping import AnswerMapping
from domain.campaign import CampaignSpec, Recipient
from domain.chunk import OpenRequest
from domain.errors import InvalidRequest, NotFound, TryLater
from domain.http import AnswerLost, HttpRequest, HttpResponse, NotSent, TransportError
from domain.idempotency import request_key
from domain.masking import curl_command
from domain.message_id import MessageKind, MessageRef
from domain.provider import IdempotencyKey, Limits
from domain.webhook_mapping import WebhookMapping
from entrypoints.simulated_esp import Behaviour, EspSettings, SimulatedEsp
from services.ports import Transport
from services.send_test_email import MAX_BODY_BYTES, SendTestEmail, TriedEmail
from tests.adapters.fake_transport import FakeTransport
from tests.domain.provider_samples import BASIC, POST
from tests.fakes.esp_messages import FakeEspMessages
from tests.fakes.limiter import FakeLimiter
from tests.fakes.messages_of_tests import FakeTestMessages
from tests.services.drafts import CONFIG, IDS, SECRET, SPEC, World, spec
from tests.support import free_port

ANN = Recipient("Ann@example.com", "Ann")


async def try_email(
    world: World,
    transport: Transport,
    recipient: Recipient = ANN,
    wanted: CampaignSpec = SPEC,
    nickname: str = "ACME",
) -> TriedEmail:
    send = SendTestEmail(
        providers=world.providers,
        tests=FakeTestMessages(world.store),
        esp_messages=FakeEspMessages(world.store),
        transport=transport,
        limiter=FakeLimiter(world.store),
        message_ids=IDS,
        clock=world.clock,
    )
    return await send(nickname, recipient, wanted)


@pytest.fixture
async def world() -> World:
    made = World()
    await made.configure()
    return made


def message(request: HttpRequest) -> dict[str, Any]:
    (found,) = json.loads(request.body or b"")["msgs"]
    assert isinstance(found, dict)
    return found


def faults(error: pytest.ExceptionInfo[InvalidRequest]) -> dict[str, str]:
    return {violation.field: violation.reason for violation in error.value.violations}


async def test_one_real_request_leaves_with_its_secrets_and_is_shown_without(world: World) -> None:
    transport = FakeTransport()
    tried = await try_email(world, transport)
    (sent,) = transport.requests
    assert dict(sent.headers)["X-Key"] == SECRET
    assert dict(tried.request.headers)["X-Key"] == "***"
    assert dict(tried.request.headers)["Authorization"] == "***"
    assert (tried.request.url, tried.request.body) == (sent.url, sent.body)
    assert message(sent)["to"] == "Ann@example.com"
    assert message(sent)["subject"] == "Hello Ann"
    assert transport.timeouts == [CONFIG.limits.timeout_seconds]
    command = curl_command(tried.request)
    assert not [secret for secret in (SECRET, BASIC.password) if secret in command + repr(tried)]


async def test_the_message_is_a_test_of_its_own_that_is_stored_before_it_leaves(
    world: World,
) -> None:
    stored: list[int] = []

    def answer(_: HttpRequest) -> HttpResponse:
        stored.append(len(world.store.tests))
        return HttpResponse(status=200)

    transport = FakeTransport(answer)
    first, second = [await try_email(world, transport) for _ in range(2)]
    assert stored == [1, 2]
    assert IDS.read(first.message_id) == MessageRef(MessageKind.TEST, 1, 0)
    assert message(transport.requests[1])["mid"] == second.message_id
    assert IDS.read(second.message_id) == MessageRef(MessageKind.TEST, 2, 0)
    assert world.store.tests[1].email == "Ann@example.com"


async def test_no_two_tests_and_no_campaign_share_an_idempotency_key(world: World) -> None:
    transport = FakeTransport()
    for _ in range(2):
        await try_email(world, transport)
    keys = {dict(request.headers)["Idempotency-Key"] for request in transport.requests}
    first_of_campaigns = OpenRequest(ordinals=(0,), provider_version=1)
    assert len(keys) == 2
    assert keys.isdisjoint(request_key(IDS, number, first_of_campaigns) for number in range(3))


async def test_a_provider_without_idempotency_keys_gets_none(world: World) -> None:
    transport = FakeTransport()
    await world.configure(replace(CONFIG, idempotency_key=IdempotencyKey(header_name=None)))
    await try_email(world, transport)
    assert "Idempotency-Key" not in dict(transport.requests[0].headers)


@pytest.mark.parametrize(
    ("status", "accepted"), [(200, True), (202, True), (302, False), (400, False), (503, False)]
)
async def test_whatever_the_esp_answers_is_told_and_nothing_is_sent_again(
    world: World, status: int, accepted: bool
) -> None:
    answer = HttpResponse(
        status=status,
        headers=(("Server", "esp"), ("Set-Cookie", "sid=1")),
        body=b"said \xff",
        elapsed_seconds=0.25,
    )
    transport = FakeTransport(lambda _: answer)
    tried = await try_email(world, transport)
    assert (tried.status, tried.accepted, tried.elapsed_seconds) == (status, accepted, 0.25)
    assert tried.headers == (("Server", "esp"), ("Set-Cookie", "***"))
    assert (tried.body, tried.truncated, tried.transport_error) == ("said \ufffd", False, "")
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("body", "more", "shown", "truncated"),
    [
        (b"x" * MAX_BODY_BYTES, False, MAX_BODY_BYTES, False),
        (b"x" * (MAX_BODY_BYTES + 1), False, MAX_BODY_BYTES, True),
        (b"x", True, 1, True),
        # A letter of two bytes is not cut in half.
        (b"x" + "ü".encode() * MAX_BODY_BYTES, False, MAX_BODY_BYTES - 1, True),
    ],
)
async def test_of_a_long_answer_the_start_is_told(
    world: World, body: bytes, more: bool, shown: int, truncated: bool
) -> None:
    answer = HttpResponse(status=200, body=body, truncated=more)
    tried = await try_email(world, FakeTransport(lambda _: answer))
    assert (len(tried.body.encode()), tried.truncated) == (shown, truncated)
    assert body.decode().startswith(tried.body)


async def test_an_esp_that_repeats_the_secrets_does_not_give_them_away(world: World) -> None:
    def echo(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=401, headers=request.headers, body=str(request.headers).encode())

    tried = await try_email(world, FakeTransport(echo))
    authorization = "Basic c2FyYTpvcGVucyBub3RoaW5n"
    told = f"{tried.headers} {tried.body}"
    assert "Idempotency-Key" in told
    assert not [s for s in (SECRET, BASIC.password, authorization) if s in told]


@pytest.mark.parametrize("error", [NotSent("connection refused"), AnswerLost("timed out")])
async def test_where_no_answer_comes_the_reason_is_told(
    world: World, error: TransportError
) -> None:
    tried = await try_email(world, FakeTransport(lambda _: error))
    assert (tried.status, tried.accepted, tried.transport_error) == (None, False, error.reason)
    assert tried.request.method == "POST"
    assert IDS.read(tried.message_id) == MessageRef(MessageKind.TEST, 1, 0)


async def test_the_time_until_a_failure_is_told(world: World) -> None:
    def fail(_: HttpRequest) -> TransportError:
        world.clock.advance(3.0)
        return AnswerLost("timed out")

    assert (await try_email(world, FakeTransport(fail))).elapsed_seconds == 3.0


async def test_no_suppression_is_asked_and_copies_go_along(world: World) -> None:
    await world.suppress("ann@example.com", "boss@example.com")
    transport = FakeTransport()
    await try_email(world, transport, wanted=spec(cc=("boss@example.com",)))
    assert message(transport.requests[0])["cc"] == "boss@example.com"
    assert len(world.store.suppressions) == 2


async def test_nothing_but_the_test_is_stored(world: World) -> None:
    await try_email(world, FakeTransport())
    store = world.store
    assert (store.campaigns, store.log, len(store.tests)) == ({}, [], 1)


async def test_the_rate_limit_holds_for_tests_too(world: World) -> None:
    provider = await world.configure(replace(CONFIG, limits=Limits(max_requests_per_second=1000.0)))
    await try_email(world, FakeTransport())
    later = await FakeLimiter(world.store).reserve(provider.provider_id, requests=1, messages=1)
    assert later == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize(
    ("recipient", "field", "reason"),
    [
        (Recipient(""), "recipient.email", "REQUIRED"),
        (Recipient("nobody", "N"), "recipient", "NOT_SENDABLE"),
        (Recipient("a@example.com"), "recipient", "REPLACEMENT_MISSING"),
        (Recipient("a@x.org", "A", {"To": "b"}), "recipient.replacements.To", "SYSTEM_NAME"),
    ],
)
async def test_a_recipient_that_gets_no_message_is_refused_and_nothing_is_sent(
    world: World, recipient: Recipient, field: str, reason: str
) -> None:
    transport = FakeTransport()
    with pytest.raises(InvalidRequest) as error:
        await try_email(world, transport, recipient)
    assert faults(error) == {field: reason}
    assert (transport.requests, world.store.tests) == ([], {})


async def test_a_message_that_is_too_large_is_refused(world: World) -> None:
    assert CONFIG.batch is not None
    await world.configure(replace(CONFIG, batch=replace(CONFIG.batch, max_bytes=2000)))
    transport = FakeTransport()
    with pytest.raises(InvalidRequest) as error:
        await try_email(world, transport, wanted=spec(html="x" * 3000))
    assert faults(error) == {"recipient": "MESSAGE_TOO_LARGE"}
    assert transport.requests == []


async def test_all_faults_are_told_together(world: World) -> None:
    wanted = replace(spec(subject=""), provider="other")
    with pytest.raises(InvalidRequest) as error:
        await try_email(world, FakeTransport(), Recipient(""), wanted)
    assert faults(error) == {
        "campaign.provider": "OTHER_PROVIDER",
        "campaign.subject": "REQUIRED",
        "recipient.email": "REQUIRED",
    }


MAPPED = replace(
    CONFIG,
    answer=AnswerMapping(success="body.ok", message_id="body.id"),
    webhook=WebhookMapping(type="event.type", esp_message_id="event.id"),
)


@pytest.mark.parametrize(
    ("body", "accepted"),
    [(b'{"ok": true, "id": 70650219165027410}', True), (b'{"ok": false}', False), (b"OK", False)],
)
async def test_the_answer_is_read_as_the_provider_says(
    world: World, body: bytes, accepted: bool
) -> None:
    provider = await world.configure(MAPPED)
    transport = FakeTransport(lambda _: HttpResponse(status=200, body=body))
    tried = await try_email(world, transport)
    assert (tried.status, tried.accepted) == (200, accepted)
    ids = FakeEspMessages(world.store)
    found = await ids.find(provider.provider_id, "70650219165027410", "")
    assert found == (IDS.read(tried.message_id) if accepted else None)


async def test_an_id_that_no_webhook_names_is_not_stored(world: World) -> None:
    await world.configure(replace(MAPPED, webhook=None))
    answer = HttpResponse(status=200, body=b'{"ok": true, "id": "x"}')
    assert (await try_email(world, FakeTransport(lambda _: answer))).accepted
    assert world.store.esp_messages == []


async def test_what_has_left_is_told_also_where_its_id_cannot_be_stored(world: World) -> None:
    await world.configure(MAPPED)

    def taken(_: HttpRequest) -> HttpResponse:
        world.store.failure = TryLater("busy")
        return HttpResponse(status=200, body=b'{"ok": true, "id": "x"}')

    assert (await try_email(world, FakeTransport(taken))).accepted
    assert world.store.esp_messages == []


async def test_the_campaign_need_not_name_the_provider(world: World) -> None:
    tried = await try_email(world, FakeTransport(), wanted=replace(SPEC, provider=""))
    assert tried.accepted


async def test_a_call_without_a_nickname_is_refused(world: World) -> None:
    with pytest.raises(InvalidRequest) as error:
        await try_email(world, FakeTransport(), nickname="")
    assert faults(error) == {"nickname": "REQUIRED"}


async def test_a_provider_that_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await try_email(
            world, FakeTransport(), nickname="nobody", wanted=replace(SPEC, provider="")
        )


@asynccontextmanager
async def libcurl() -> AsyncIterator[Transport]:
    transport = CurlTransport(CurlOptions(user_agent="Espalier/test"))
    try:
        yield transport
    finally:
        await transport.close()


async def test_it_reaches_a_real_esp(world: World) -> None:
    async with SimulatedEsp(EspSettings(), Behaviour()) as esp, libcurl() as transport:
        await world.configure(replace(POST, http_endpoint=f"{esp.url}/send"))
        tried = await try_email(world, transport)
        counted = esp.counts()["messages"]
    assert (tried.status, tried.transport_error) == (200, "")
    assert (counted["accepted"], counted["distinct"]) == (1, 1)
    assert tried.elapsed_seconds > 0
    assert ("Content-Type", "application/json") in tried.headers


async def test_a_real_refused_connection_is_told(world: World) -> None:
    async with libcurl() as transport:
        await world.configure(replace(POST, http_endpoint=f"http://127.0.0.1:{free_port()}/send"))
        tried = await try_email(world, transport)
    assert tried.status is None
    assert tried.transport_error
