"""PreviewCampaign over ports in memory, and against what is really sent."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from domain.campaign import CampaignSpec, Recipient
from domain.errors import InvalidRequest, NotFound
from domain.http import HttpRequest
from domain.masking import mask_request
from domain.message import MessageState
from domain.message_id import MessageKind, MessageRef
from domain.provider import IdempotencyKey, RequestType
from domain.rendering import RenderedRequest
from services.preview_campaign import MAX_BYTES, MAX_RECIPIENTS, Preview, PreviewCampaign
from services.refusals import MAX_VIOLATIONS
from services.send_test_email import SendTestEmail
from tests.adapters.fake_transport import FakeTransport
from tests.domain.provider_samples import BASIC, GET
from tests.fakes.esp_messages import FakeEspMessages
from tests.fakes.limiter import FakeLimiter
from tests.fakes.messages_of_tests import FakeTestMessages
from tests.services.drafts import CONFIG, IDS, SECRET, SPEC, World, spec

ANN, BOB, CID = (Recipient(f"{name}@example.com", name.title()) for name in ("ann", "bob", "cid"))
PEOPLE = (ANN, BOB, CID)


async def preview(
    world: World, recipients: Sequence[Recipient] = PEOPLE, wanted: CampaignSpec = SPEC
) -> Preview:
    show = PreviewCampaign(
        providers=world.providers, suppressions=world.suppressions, message_ids=IDS
    )
    return await show(wanted, recipients)


@pytest.fixture
async def world() -> World:
    made = World()
    await made.configure()
    return made


def messages(request: RenderedRequest) -> list[dict[str, Any]]:
    assert request.request.body is not None
    found: list[dict[str, Any]] = json.loads(request.request.body)["msgs"]
    return found


def told(shown: Preview) -> dict[int, tuple[MessageState, str]]:
    return {each.ordinal: (each.state, each.reason) for each in shown.rejections}


def faults(error: pytest.ExceptionInfo[InvalidRequest]) -> dict[str, str]:
    return {violation.field: violation.reason for violation in error.value.violations}


async def test_the_requests_come_in_order_each_with_its_recipients(world: World) -> None:
    shown = await preview(world)
    assert [request.ordinals for request in shown.requests] == [(0, 1), (2,)]
    assert [m["to"] for request in shown.requests for m in messages(request)] == [
        "ann@example.com",
        "bob@example.com",
        "cid@example.com",
    ]
    assert messages(shown.requests[0])[1]["subject"] == "Hello Bob"
    assert (shown.rejections, shown.advice) == ([], [])


async def test_message_ids_are_examples_that_attribute_no_callback(world: World) -> None:
    (first, second), (third,) = (messages(request) for request in (await preview(world)).requests)
    found = [IDS.read(message["mid"]) for message in (first, second, third)]
    assert found == [MessageRef(MessageKind.PREVIEW, 0, ordinal) for ordinal in range(3)]


async def test_secrets_are_masked_and_the_idempotency_key_is_shown(world: World) -> None:
    headers = [dict(request.request.headers) for request in (await preview(world)).requests]
    assert headers[0]["X-Key"] == headers[0]["Authorization"] == "***"
    assert headers[0]["Content-Type"] == "application/json"
    assert headers[0]["Idempotency-Key"] != headers[1]["Idempotency-Key"]
    assert SECRET not in str(headers)
    assert BASIC.password not in str(headers)


async def test_a_provider_without_idempotency_keys_gets_none(world: World) -> None:
    await world.configure(replace(CONFIG, idempotency_key=IdempotencyKey(header_name=None)))
    assert "Idempotency-Key" not in dict((await preview(world)).requests[0].request.headers)


async def test_what_is_shown_is_what_a_real_send_sends_but_for_ids_and_secrets(
    world: World,
) -> None:
    transport = FakeTransport()
    send = SendTestEmail(
        providers=world.providers,
        tests=FakeTestMessages(world.store),
        esp_messages=FakeEspMessages(world.store),
        transport=transport,
        limiter=FakeLimiter(world.store),
        message_ids=IDS,
        clock=world.clock,
    )
    await send("acme", ANN, SPEC)
    (shown,), (sent,) = (await preview(world, [ANN])).requests, transport.requests
    assert without_ids(shown.request) == without_ids(mask_request(sent, CONFIG))


def without_ids(request: HttpRequest) -> tuple[object, ...]:
    body = json.loads(request.body or b"")
    for message in body["msgs"]:
        assert len(message.pop("mid")) == len(IDS.preview_message(0))
    headers = [header for header in request.headers if header[0] != "Idempotency-Key"]
    assert len(headers) == len(request.headers) - 1
    return request.method, request.url, headers, body


async def test_those_who_get_nothing_are_told_in_their_order_with_the_reason(world: World) -> None:
    await world.suppress("bob@example.com")
    everyone = [
        ANN,
        BOB,
        Recipient("no address"),
        Recipient("ANN@Example.com", "Ann again"),
        Recipient("dan@example.com"),
        Recipient("dan@example.com", "Dan"),
        Recipient("Bob@example.com", "Bob again"),
    ]
    shown = await preview(world, everyone)
    assert list(told(shown).items()) == [
        (1, (MessageState.SUPPRESSED, "ADDRESS_SUPPRESSED")),
        (2, (MessageState.REJECTED, "NOT_SENDABLE")),
        (3, (MessageState.DUPLICATE, "REPEATED_ADDRESS")),
        (4, (MessageState.REJECTED, "REPLACEMENT_MISSING")),
        (6, (MessageState.DUPLICATE, "REPEATED_ADDRESS")),
    ]
    # A message that cannot be made makes no duplicate of a later one.
    assert [request.ordinals for request in shown.requests] == [(0, 5)]
    assert "hard bounce" in shown.rejections[0].message
    assert "`name` is not given" in shown.rejections[3].message


async def test_a_message_that_is_too_large_alone_is_a_rejection(world: World) -> None:
    assert CONFIG.batch is not None
    await world.configure(replace(CONFIG, batch=replace(CONFIG.batch, max_bytes=2000)))
    shown = await preview(world, [Recipient("a@example.com", "x" * 990), Recipient(*BOB[:2])])
    assert told(shown) == {}
    large = replace(SPEC, content=replace(SPEC.content, html="$$text"))
    people = [
        Recipient("a@example.com", "A", {"text": "x" * 3000}),
        Recipient("b@example.com", "B", {"text": "short"}),
    ]
    shown = await preview(world, people, large)
    assert told(shown) == {0: (MessageState.REJECTED, "MESSAGE_TOO_LARGE")}
    assert [request.ordinals for request in shown.requests] == [(1,)]


async def test_where_nobody_is_left_the_rejections_say_why_and_there_is_advice(
    world: World,
) -> None:
    shown = await preview(world, [Recipient("a@example.com")])
    assert (shown.requests, told(shown)) == (
        [],
        {0: (MessageState.REJECTED, "REPLACEMENT_MISSING")},
    )
    assert [(a.field, a.reason) for a in shown.advice] == [("recipients", "NOTHING_TO_SEND")]


async def test_suppressed_copies_are_left_out_whatever_their_spelling(world: World) -> None:
    await world.suppress("boss@example.com")
    wanted = spec(cc=("Boss@Example.com", "audit@example.com"), bcc=("boss@example.com",))
    shown = await preview(world, [ANN], wanted)
    (message,) = messages(shown.requests[0])
    assert (message["cc"], message["bcc"]) == ("audit@example.com", "")
    assert [(a.field, a.reason) for a in shown.advice] == [
        ("campaign.cc[0]", "COPY_SUPPRESSED"),
        ("campaign.bcc[0]", "COPY_SUPPRESSED"),
    ]


@pytest.mark.parametrize(
    ("wanted", "field", "reason"),
    [
        (spec(plaintext="Hi"), "campaign.plaintext", "NOT_IN_TEMPLATE"),
        (spec(reply_to="a@example.com"), "campaign.reply_to", "NOT_IN_TEMPLATE"),
        (spec(subject="Dear $$To"), "campaign.subject", "PLACEHOLDER_NOT_REPLACED"),
        (spec(html="<p>$$MessageID</p>"), "campaign.html", "PLACEHOLDER_NOT_REPLACED"),
    ],
)
async def test_what_is_likely_to_be_a_mistake_is_told(
    world: World, wanted: CampaignSpec, field: str, reason: str
) -> None:
    shown = await preview(world, [ANN], wanted)
    assert [(a.field, a.reason) for a in shown.advice] == [(field, reason)]


async def test_a_get_shows_one_request_for_each_person(world: World) -> None:
    await world.configure(replace(GET, nickname="acme"))
    shown = await preview(world)
    assert [request.ordinals for request in shown.requests] == [(0,), (1,), (2,)]
    assert shown.requests[0].request.method == RequestType.GET
    assert "to=ann%40example.com" in shown.requests[0].request.url
    assert [a.field for a in shown.advice] == ["campaign.html"]


async def test_all_faults_of_campaign_and_recipients_are_told_together(world: World) -> None:
    wanted = spec(subject="", cc=("nobody",))
    faulty = Recipient("b@x.org", "", {"To": "x", "Subject": "y"})
    with pytest.raises(InvalidRequest) as error:
        await preview(world, [ANN, Recipient(""), faulty], wanted)
    assert faults(error) == {
        "campaign.cc[0]": "INVALID_ADDRESS",
        "campaign.subject": "REQUIRED",
        "recipients[1].email": "REQUIRED",
        "recipients[2].replacements.To": "SYSTEM_NAME",
        "recipients[2].replacements.Subject": "SYSTEM_NAME",
    }


async def test_of_very_many_faults_the_first_are_told_and_the_others_are_counted(
    world: World,
) -> None:
    with pytest.raises(InvalidRequest) as error:
        await preview(world, [Recipient("")] * MAX_RECIPIENTS, spec(cc=("nobody",)))
    assert len(error.value.violations) == MAX_VIOLATIONS
    assert error.value.more == MAX_RECIPIENTS + 1 - MAX_VIOLATIONS
    assert error.value.violations[0].field == "campaign.cc[0]"


@pytest.mark.parametrize(("count", "reason"), [(0, "REQUIRED"), (MAX_RECIPIENTS + 1, "TOO_MANY")])
async def test_no_recipients_and_too_many_are_refused(
    world: World, count: int, reason: str
) -> None:
    with pytest.raises(InvalidRequest) as error:
        await preview(world, [ANN] * count)
    assert faults(error) == {"recipients": reason}


async def test_a_preview_of_gigabytes_is_refused_before_it_is_made(world: World) -> None:
    people = [Recipient(f"p{i}@example.com", "P") for i in range(1000)]
    with pytest.raises(InvalidRequest) as error:
        await preview(world, people, spec(html="x" * (MAX_BYTES // 500)))
    assert faults(error) == {"recipients": "PREVIEW_TOO_LARGE"}
    values = {"text": "x" * 500_000}
    with pytest.raises(InvalidRequest) as error:
        await preview(world, people[:100], spec(html="$$text", replacements=values))
    assert faults(error) == {"recipients": "PREVIEW_TOO_LARGE"}


async def test_request_id_and_times_are_ignored(world: World) -> None:
    wanted = replace(SPEC, request_id="not valid ", send_at=2.0, send_before=1.0)
    assert len((await preview(world, PEOPLE, wanted)).requests) == 2


async def test_a_provider_that_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await preview(world, PEOPLE, replace(SPEC, provider="nobody"))


async def test_nothing_is_stored(world: World) -> None:
    await preview(world)
    store = world.store
    assert (store.campaigns, store.tests, store.log, store.last_campaign) == ({}, {}, [], 0)
