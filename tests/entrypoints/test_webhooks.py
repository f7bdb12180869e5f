"""The callback URL of a provider with a webhook mapping, on a real server."""

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import certifi
import orjson
import pytest
import structlog
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import CapturingLogger

from adapters.signatures.authorities import Authorities
from adapters.signatures.sns_certificates import SnsCertificates
from adapters.signatures.verifier import WebhookSignatures
from domain.callback import CallbackType
from domain.campaign import CampaignSpec, Content, Recipient
from domain.errors import TryLater
from domain.message_id import MessageIds
from domain.provider import Provider
from domain.webhook_mapping import (
    Signature,
    SignaturePart,
    SignatureScheme,
    TimestampUnit,
    TypeRule,
    WebhookAnswers,
    WebhookFormat,
    WebhookMapping,
)
from entrypoints.backlog import Backlog
from entrypoints.callbacks import Callbacks
from entrypoints.webhooks import Webhooks
from services.confirm_subscription import ConfirmSubscription
from services.find_callback_provider import FindCallbackProvider
from services.read_webhook import ReadWebhook
from services.record_callback import RecordCallback
from services.record_webhook import RecordWebhook
from tests.adapters.fake_transport import FakeTransport
from tests.domain.provider_samples import POST
from tests.fakes.campaign_repository import FakeCampaignRepository
from tests.fakes.clock import FakeClock
from tests.fakes.esp_messages import FakeEspMessages
from tests.fakes.event_log import FakeEventLog
from tests.fakes.signature_uses import FakeSignatureUses
from tests.fakes.store import Store, StoredProvider

NOW = 1_750_000_000.0
# Reading them takes a tenth of a second.
AUTHORITIES = Authorities(Path(certifi.where()))
IDS = MessageIds(b"k" * 32)
META = IDS.campaign_message(1, 0)
EVENT = {"kind": "ok", "to": "a@example.com", "mid": META}
MAPPING = WebhookMapping(
    type="event.kind",
    types=(TypeRule(pattern="ok", type=CallbackType.DELIVERED),),
    email="event.to",
    meta="event.mid",
    answers=WebhookAnswers(success=202, bad_signature=403, malformed=406, overloaded=429),
)
KEY = "a shared key"
SIGNED = replace(
    MAPPING,
    signatures=(
        Signature(
            scheme=SignatureScheme.HMAC,
            secrets=(KEY,),
            signed=(SignaturePart(body=True),),
            header="X-Signature",
        ),
    ),
)
BASIC = Signature(scheme=SignatureScheme.BASIC, secrets=("esp:word",))
QUERY = replace(MAPPING, format=WebhookFormat.QUERY, events="query")
EXPRESSIONS = [field.name for field in fields(WebhookMapping) if field.type in (str, "str")]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    url: str
    store: Store
    client: aiohttp.ClientSession
    backlog: Backlog

    async def post(self, body: Any = b"", **headers: str) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.post(self.url, data=BytesIO(raw), headers=named) as answer:
            return answer.status, await answer.read()


async def filled_store(provider: Provider) -> Store:
    """Holds campaign 1 of one message, through the provider."""
    store = Store(FakeClock(NOW))
    store.providers[1] = StoredProvider(provider=provider, versions={1: provider.config})
    campaigns = FakeCampaignRepository(store)
    spec = CampaignSpec(request_id="r", provider="acme", content=Content())
    number = await campaigns.begin(spec, provider.provider_id)
    await campaigns.stage(number, 0, [Recipient("a@example.com")])
    await campaigns.accept(number, fingerprint=b"")
    return store


async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=404)


def callbacks(provider: Provider, store: Store, backlog: Backlog) -> Callbacks:
    async def find(token: str) -> Provider | None:
        return provider if token == "tok" else None

    log = structlog.wrap_logger(CapturingLogger(), processors=[])
    events, transport = FakeEventLog(store), FakeTransport()
    certificates = SnsCertificates(transport, AUTHORITIES, store.clock)
    record_callback = RecordCallback(events, IDS, store.clock)
    record = RecordWebhook(
        log=events,
        read=ReadWebhook(IDS, FakeEspMessages(store)),
        record_callback=record_callback,
        signatures=WebhookSignatures(
            uses=FakeSignatureUses(store), certificates=certificates, clock=store.clock
        ),
        confirm=ConfirmSubscription(transport),
        clock=store.clock,
    )
    return Callbacks(
        FindCallbackProvider(find, store.clock),
        record_callback,
        elsewhere=elsewhere,
        backlog=backlog,
        log=log,
        webhooks=Webhooks(record, public_base_url="https://mail.example", log=log),
        body_seconds=0.3,
    )


@asynccontextmanager
async def world(mapping: WebhookMapping | None = MAPPING) -> AsyncIterator[World]:
    provider = Provider(
        provider_id=1,
        version=1,
        config=replace(POST, webhook=mapping),
        callback_token="tok",
        created_at=NOW,
        updated_at=NOW,
    )
    store = await filled_store(provider)
    backlog = Backlog(limit=64 * 1024 * 1024)
    server = web.Server(callbacks(provider, store, backlog), access_log=None)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/callbacks/tok"
    async with aiohttp.ClientSession() as client:
        try:
            yield World(url=url, store=store, client=client, backlog=backlog)
        finally:
            await runner.cleanup()


def signature(body: bytes, key: str = KEY) -> str:
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


async def test_a_mapped_callback_is_stored_and_answered_as_its_esp_wants() -> None:
    async with world() as here:
        status, answer = await here.post([EVENT, {**EVENT, "kind": "odd"}])
        assert (status, orjson.loads(answer)) == (
            202,
            {"TOTAL_EVENTS": 2, "PROCESSED_EVENTS": 2},
        )
        types = [entry.entry.callback_type for entry in here.store.log]
        assert types == ["delivered", "unknown"]


async def test_an_answer_of_204_has_no_body() -> None:
    no_content = replace(MAPPING, answers=WebhookAnswers(success=204))
    async with world(no_content) as here:
        assert await here.post(EVENT) == (204, b"")
        assert len(here.store.log) == 1


async def test_what_cannot_be_read_is_answered_as_its_esp_wants() -> None:
    async with world() as here:
        status, answer = await here.post(b"no json")
        assert status == 406
        assert orjson.loads(answer)["faults"][0]["path"] == "body"
        assert here.store.log == []


async def test_a_foreign_message_and_an_odd_event_are_no_error() -> None:
    async with world() as here:
        status, _ = await here.post([7, {**EVENT, "mid": "forged"}, None])
        assert status == 202
        assert len(here.store.unprocessed) == 3


async def test_a_good_signature_is_believed_and_a_bad_one_stores_nothing() -> None:
    body = orjson.dumps(EVENT)
    async with world(SIGNED) as here:
        for wrong in ({}, {"x_signature": signature(body, "another key")}):
            status, _ = await here.post(body, **wrong)
            assert status == 403
        assert (here.store.log, here.store.kept, here.store.unprocessed) == ([], [], [])
        status, _ = await here.post(body, x_signature=signature(body))
        assert status == 202
        assert len(here.store.log) == 1


async def test_an_unsigned_body_of_version_2_does_not_pass_by_the_signature() -> None:
    event = {"type": "hard_bounce", "email": "a@example.com", "meta": META}
    async with world(SIGNED) as here:
        status, _ = await here.post({"version": "v2", "events": {"failed": [event]}})
        assert (status, here.store.log) == (403, [])


async def test_a_body_of_version_2_is_read_as_such() -> None:
    event = {"type": "hard_bounce", "email": "a@example.com", "meta": META}
    async with world() as here:
        status, answer = await here.post({"version": "v2", "events": {"failed": [event, event]}})
        assert (status, orjson.loads(answer)["PROCESSED_EVENTS"]) == (202, 2)
        assert len(here.store.log) == 1


async def test_basic_authentication_is_asked_for() -> None:
    asking = replace(MAPPING, signatures=(BASIC,), answers=WebhookAnswers())
    async with world(asking) as here:
        async with here.client.post(here.url, json=EVENT) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="callbacks"'
        proof = "Basic " + base64.b64encode(b"esp:word").decode()
        assert (await here.post(EVENT, authorization=proof))[0] == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_mapped_provider_is_there_for_who_only_asks(method: str) -> None:
    async with world(SIGNED) as here, here.client.request(method, here.url) as answer:
        assert answer.status == 200
        assert here.store.log == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_without_a_mapping_only_post_is_allowed(method: str) -> None:
    async with world(None) as here, here.client.request(method, here.url) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_other_methods_are_not_allowed_with_a_mapping_either() -> None:
    async with world() as here, here.client.put(here.url, data=b"") as answer:
        assert answer.status == 405


async def test_a_get_with_a_query_is_an_event_where_the_mapping_says_so() -> None:
    async with world(QUERY) as here:
        async with here.client.get(here.url, params=EVENT) as answer:
            assert answer.status == 202
        assert len(here.store.log) == 1
        async with here.client.get(here.url) as answer:
            assert answer.status == 200
        async with here.client.post(here.url, params={**EVENT, "at": "1"}) as answer:
            assert answer.status == 202
        assert len(here.store.log) == 2


async def test_gzip_is_undone_with_and_without_a_header() -> None:
    packed = gzip.compress(orjson.dumps(EVENT))
    async with world() as here:
        assert (await here.post(packed))[0] == 202
        assert (await here.post(packed, content_encoding="gzip"))[0] == 202
        assert len(here.store.log) == 1


async def test_a_bomb_is_refused() -> None:
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    async with world() as here:
        assert (await here.post(bomb))[0] == 406
        assert (await here.post(bomb, content_encoding="gzip"))[0] == 406


async def test_what_there_is_no_room_for_is_to_come_again_as_its_esp_understands() -> None:
    async with world() as here:
        here.backlog.free = 0
        async with here.client.post(here.url, json=EVENT) as answer:
            assert answer.status == 429
            assert int(answer.headers["Retry-After"]) >= 1
        here.backlog.free = 64 * 1024 * 1024
        here.store.failure = TryLater("busy", retry_after_seconds=7)
        async with here.client.post(here.url, json=EVENT) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
        assert here.store.log == []


async def test_a_body_that_does_not_arrive_is_to_come_again_and_not_called_malformed() -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b'{"half'
        await asyncio.Event().wait()

    async with world() as here, here.client.post(here.url, data=never()) as answer:
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) >= 1
        assert here.store.log == []


async def test_the_room_of_a_request_is_given_back() -> None:
    async with world() as here:
        free = here.backlog.free
        await here.post(EVENT)
        await here.post(b"no json")
        assert here.backlog.free == free


async def test_headers_that_are_no_text_of_unicode_do_no_harm() -> None:
    mapping = replace(MAPPING, email='headers."x-odd"')
    async with world(mapping) as here:
        host, port = here.url.split("/")[2].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        body = orjson.dumps(EVENT)
        head = b"POST /callbacks/tok?a=%ff HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\xfe\r\n"
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert b" 202 " in await reader.readline()
        writer.close()
        await writer.wait_closed()
        (entry,) = here.store.log
        assert entry.entry.email
        assert "\ud800" not in entry.entry.email


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["kind", "to", "mid", "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)
_BODIES = (
    _JSON.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=60)
    | st.binary(max_size=60).map(gzip.compress)
)
_EXPRESSION = st.text(max_size=12) | st.sampled_from(
    [
        *("", "body", "event", "recipient", "event.kind", "body.a", "[body, event]", "*", "@"),
        *("form.a", "parse_json(event)", "headers", "`1`", "'\ud800'", "text(@)", "(", "query.a"),
        *("body[]", "body|[@,@][]|[@,@][]|[@,@][]|[@,@][]", "keys(@)", "to_string(@)", "values(@)"),
    ]
)
_STATUSES = st.sampled_from([200, 202, 204])
_MAPPINGS = st.builds(
    WebhookMapping,
    format=st.sampled_from(WebhookFormat),
    timestamp_unit=st.sampled_from(TimestampUnit),
    types=st.lists(
        st.builds(TypeRule, pattern=st.text(max_size=5), type=st.sampled_from(CallbackType)),
        max_size=3,
    ).map(tuple),
    answers=st.builds(WebhookAnswers, success=_STATUSES),
    signatures=st.lists(st.sampled_from([*SIGNED.signatures, BASIC]), max_size=1).map(tuple),
    **dict.fromkeys(EXPRESSIONS, _EXPRESSION),
)
_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(
            ["text/plain", "multipart/form-data; boundary=a", "application/x-www-form-urlencoded"]
        ),
        "X-Signature": st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=9),
    },
)


@given(mapping=_MAPPINGS, body=_BODIES, headers=_HEADERS)
@settings(max_examples=60, deadline=None)
def test_no_mapping_and_no_body_make_the_endpoint_fail_or_hang(
    mapping: WebhookMapping, body: bytes, headers: dict[str, str]
) -> None:
    async def answered() -> int:
        async with asyncio.timeout(20), world(mapping) as here:
            url = f"{here.url}?a=1&kind=ok"
            async with here.client.post(url, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status

    assert asyncio.run(answered()) in {200, 202, 204, 400, 401}
