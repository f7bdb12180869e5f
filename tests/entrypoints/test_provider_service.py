"""ProviderService over a real gRPC server, on the SQL repository in a SQLite file."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message

from adapters.secret_box import SecretBox
from adapters.sql.campaigns import SqlCampaignRepository
from adapters.sql.database import Database
from adapters.sql.esp_messages import SqlEspMessages
from adapters.sql.limiter import SqlLimiter
from adapters.sql.providers import SqlProviderRepository
from adapters.sql.test_messages import SqlTestMessages
from domain.campaign import CampaignSpec, Content
from domain.message_id import MessageIds
from entrypoints.provider_service import ProviderService
from espalier.v1 import common_pb2, provider_pb2, provider_pb2_grpc
from services.configure_provider import ConfigureProvider
from services.send_test_email import SendTestEmail
from tests.adapters.fake_transport import FakeTransport
from tests.domain.provider_samples import MESSAGE
from tests.entrypoints.api_server import channel_to, reason, violations
from tests.fakes.clock import FakeClock
from tests.tables import create_schema

Stub: TypeAlias = provider_pb2_grpc.ProviderServiceStub

PASSWORD = "hunter2"
KEY = "k3y"
BASE_URL = "https://mail.example.com/espalier"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_700_000_000.0)


@pytest.fixture
async def database(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Database]:
    made = Database(f"sqlite+aiosqlite:///{tmp_path / 'providers.db'}", clock=clock)
    await create_schema(made)
    yield made
    await made.close()


@pytest.fixture
def providers(database: Database) -> SqlProviderRepository:
    return SqlProviderRepository(database, SecretBox(b"k" * 32))


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
async def stub(
    providers: SqlProviderRepository,
    database: Database,
    transport: FakeTransport,
    clock: FakeClock,
) -> AsyncIterator[Stub]:
    service = ProviderService(
        configure=ConfigureProvider(providers),
        send_test=SendTestEmail(
            providers=providers,
            tests=SqlTestMessages(database),
            esp_messages=SqlEspMessages(database),
            transport=transport,
            limiter=SqlLimiter(database),
            message_ids=MessageIds(b"k" * 32),
            clock=clock,
        ),
        providers=providers,
        clock=clock,
        public_base_url=BASE_URL,
    )

    def add(server: grpc.aio.Server) -> None:
        provider_pb2_grpc.add_ProviderServiceServicer_to_server(service, server)

    async with channel_to(add) as channel:
        yield provider_pb2_grpc.ProviderServiceStub(channel)


def wanted(nickname: str = "Acme") -> provider_pb2.Provider:
    return provider_pb2.Provider(
        nickname=nickname,
        request_type=provider_pb2.REQUEST_TYPE_POST,
        http_endpoint="https://api.example.com/v1/send",
        authentication=provider_pb2.Authentication(
            basic=provider_pb2.BasicAuthentication(username="sara", password=PASSWORD)
        ),
        headers=[provider_pb2.Header(name="X-Key", value=KEY, secret=True)],
        parameters=MESSAGE,
    )


async def configure(
    stub: Stub, provider: provider_pb2.Provider, *, validate_only: bool = False
) -> provider_pb2.ConfigureProviderResponse:
    return await stub.ConfigureProvider(
        provider_pb2.ConfigureProviderRequest(provider=provider, validate_only=validate_only)
    )


async def get(stub: Stub, nickname: str) -> provider_pb2.Provider:
    request = provider_pb2.GetProviderRequest(nickname=nickname)
    return (await stub.GetProvider(request)).provider


async def delete(stub: Stub, nickname: str, etag: str = "") -> None:
    await stub.DeleteProvider(provider_pb2.DeleteProviderRequest(nickname=nickname, etag=etag))


async def page(stub: Stub, size: int, token: str = "") -> tuple[list[str], str]:
    request = provider_pb2.ListProvidersRequest(page_size=size, page_token=token)
    answer = await stub.ListProviders(request)
    return [provider.nickname for provider in answer.providers], answer.next_page_token


def holds_a_secret(answer: Message) -> bool:
    return any(secret.encode() in answer.SerializeToString() for secret in (PASSWORD, KEY))


async def test_a_new_provider_is_answered_whole_with_its_callback_url_and_no_secret(
    stub: Stub, providers: SqlProviderRepository
) -> None:
    answer = await configure(stub, wanted())
    stored = await providers.get("acme")
    assert answer.created
    assert answer.provider.callback_url == f"{BASE_URL}/callbacks/{stored.callback_token}"
    assert answer.provider.etag == stored.etag
    assert answer.provider.create_time.seconds == 1_700_000_000
    assert answer.provider.authentication.basic.password_set
    assert answer.provider.headers[0].value_set
    assert not holds_a_secret(answer)
    assert stored.config.headers[0].value == KEY


async def test_what_was_read_goes_back_once_its_callback_url_is_cleared(
    stub: Stub, providers: SqlProviderRepository
) -> None:
    first = (await configure(stub, wanted())).provider
    change = await get(stub, "ACME")
    change.default_from_name = "Acme News"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await configure(stub, change)
    assert violations(caught.value) == {"provider.callback_url": "OUTPUT_ONLY"}

    change.callback_url = ""
    answer = await configure(stub, change)
    assert not answer.created
    assert answer.provider.default_from_name == "Acme News"
    assert answer.provider.callback_url == first.callback_url
    assert answer.provider.etag != first.etag
    stored = (await providers.get("acme")).config
    assert stored.basic is not None
    assert (stored.basic.password, stored.headers[0].value) == (PASSWORD, KEY)


async def test_a_stored_secret_does_not_follow_to_another_server(stub: Stub) -> None:
    await configure(stub, wanted())
    moved = wanted()
    moved.http_endpoint = "https://evil.example/v1/send"
    moved.authentication.basic.password = moved.headers[0].value = ""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await configure(stub, moved)
    assert violations(caught.value) == {
        "provider.authentication.basic.password": "SECRET_OF_ANOTHER_SERVER",
        "provider.headers[0].value": "SECRET_OF_ANOTHER_SERVER",
    }


async def test_all_that_is_wrong_comes_at_once_under_the_fields_of_the_request(stub: Stub) -> None:
    wrong = wanted("no good")
    wrong.http_endpoint = "ftp://x"
    wrong.limits.max_in_flight = 1001
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await configure(stub, wrong)
    assert violations(caught.value) == {
        "provider.nickname": "INVALID_NICKNAME",
        "provider.http_endpoint": "INVALID_URL",
        "provider.limits.max_in_flight": "OUT_OF_RANGE",
    }


async def test_a_fault_of_the_message_hides_no_missing_secret_and_stores_nothing(
    stub: Stub,
) -> None:
    wrong = wanted()
    wrong.callback_url = "https://evil.example"
    wrong.preference_center.kind = 98  # type: ignore[assignment]
    wrong.authentication.basic.password = wrong.headers[0].value = ""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await configure(stub, wrong)
    assert violations(caught.value) == {
        "provider.callback_url": "OUTPUT_ONLY",
        "provider.preference_center.kind": "UNKNOWN_VALUE",
        "provider.authentication.basic.password": "REQUIRED",
        "provider.headers[0].value": "REQUIRED",
    }
    assert await page(stub, 0) == ([], "")


async def test_a_fault_of_the_message_alone_is_told_and_stores_nothing(stub: Stub) -> None:
    wrong = wanted()
    wrong.callback_url = "https://evil.example"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await configure(stub, wrong)
    assert violations(caught.value) == {"provider.callback_url": "OUTPUT_ONLY"}
    assert await page(stub, 0) == ([], "")


async def test_a_secret_that_is_stored_is_not_missed_beside_a_fault_of_the_message(
    stub: Stub,
) -> None:
    await configure(stub, wanted())
    change = wanted()
    change.callback_url = "https://evil.example"
    change.etag = "of long ago"
    change.authentication.basic.password = change.headers[0].value = ""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await configure(stub, change)
    assert violations(caught.value) == {"provider.callback_url": "OUTPUT_ONLY"}


async def test_a_request_without_a_provider_is_told_that_alone(stub: Stub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ConfigureProvider(provider_pb2.ConfigureProviderRequest())
    assert violations(caught.value) == {"provider": "REQUIRED"}


async def test_warnings_name_the_fields_of_the_request(stub: Stub) -> None:
    plain = wanted()
    plain.http_endpoint = "http://api.example.com/send"
    answer = await configure(stub, plain)
    assert [(w.field, w.reason) for w in answer.warnings] == [
        ("provider.http_endpoint", "CREDENTIALS_UNENCRYPTED")
    ]


async def test_validate_only_of_a_new_provider_shows_it_without_what_only_storing_gives(
    stub: Stub,
) -> None:
    answer = await configure(stub, wanted(), validate_only=True)
    assert answer.created
    assert answer.provider.limits.max_in_flight == 64
    assert (answer.provider.callback_url, answer.provider.etag) == ("", "")
    assert not holds_a_secret(answer)
    assert await page(stub, 0) == ([], "")


async def test_validate_only_of_a_change_shows_the_change_and_leaves_the_stored_one(
    stub: Stub,
) -> None:
    before = (await configure(stub, wanted())).provider
    change = wanted()
    change.default_from_name = "Acme News"
    answer = await configure(stub, change, validate_only=True)
    assert not answer.created
    assert answer.provider.default_from_name == "Acme News"
    assert answer.provider.callback_url == before.callback_url
    assert not holds_a_secret(answer)
    assert await get(stub, "acme") == before


async def test_an_old_etag_is_a_conflict_for_a_change_and_for_a_deletion(stub: Stub) -> None:
    old = (await configure(stub, wanted())).provider.etag
    await configure(stub, wanted())
    change = wanted()
    change.etag = old
    for call in (configure(stub, change), delete(stub, "acme", old)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.ABORTED
        assert reason(caught.value) == "ETAG_MISMATCH"
    assert (await get(stub, "acme")).etag != old


async def test_an_etag_of_a_provider_that_is_not_there_is_told_as_that(stub: Stub) -> None:
    change = wanted()
    change.etag = "1-1"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await configure(stub, change)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "there is no provider" in (caught.value.details() or "")


async def test_a_deleted_provider_is_not_found_and_its_nickname_is_free(
    stub: Stub, providers: SqlProviderRepository
) -> None:
    first = (await configure(stub, wanted())).provider
    await delete(stub, "ACME", first.etag)
    for call in (get(stub, "acme"), delete(stub, "acme")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    again = await configure(stub, wanted("acme"))
    assert again.created
    assert again.provider.callback_url != first.callback_url
    assert await providers.by_callback_token(first.callback_url.rpartition("/")[2]) is not None


async def test_a_provider_that_a_campaign_sends_through_is_not_deleted(
    stub: Stub, providers: SqlProviderRepository, database: Database
) -> None:
    await configure(stub, wanted())
    content = Content(subject="s", from_name="n", from_address="a@example.com", html="<p>")
    spec = CampaignSpec(request_id="r", provider="acme", content=content)
    provider_id = (await providers.get("acme")).provider_id
    await SqlCampaignRepository(database).begin(spec, provider_id)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await delete(stub, "acme")
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason(caught.value) == "PROVIDER_IN_USE"


async def test_a_missing_nickname_is_a_violation(stub: Stub) -> None:
    for call in (get(stub, ""), delete(stub, "")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert violations(caught.value) == {"nickname": "REQUIRED"}


async def test_a_pause_is_shown_until_it_is_over(
    stub: Stub, providers: SqlProviderRepository, clock: FakeClock
) -> None:
    await configure(stub, wanted())
    provider_id = (await providers.get("acme")).provider_id
    await providers.pause(provider_id, until=clock.now() + 60, reason="the ESP asked for patience")
    assert (await get(stub, "acme")).status.pause_reason == "the ESP asked for patience"
    clock.advance(61)
    assert not (await get(stub, "acme")).status.HasField("paused_until")


async def test_pages_hold_every_provider_once_in_order_without_regard_to_case(stub: Stub) -> None:
    for nickname in ("delta", "Bravo", "alpha", "Charlie"):
        await configure(stub, wanted(nickname))
    first, token = await page(stub, 2)
    await delete(stub, "Bravo")
    second, end = await page(stub, 2, token)
    assert (first, second, end) == (["alpha", "Bravo"], ["Charlie", "delta"], "")
    everything = await page(stub, 0)
    assert everything == await page(stub, 2_000_000_000) == (["alpha", "Charlie", "delta"], "")


async def test_a_listing_shows_no_secret(stub: Stub) -> None:
    await configure(stub, wanted())
    answer = await stub.ListProviders(provider_pb2.ListProvidersRequest())
    assert len(answer.providers) == 1
    assert not holds_a_secret(answer)


async def test_a_negative_page_size_is_a_violation(stub: Stub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await page(stub, -1)
    assert violations(caught.value) == {"page_size": "OUT_OF_RANGE"}


# The last three are "suppressions:a", "providers:" and "providers:" with a NUL behind it.
@pytest.mark.parametrize(
    "token",
    ["a", "é", "!!!!", "_____w", "c3VwcHJlc3Npb25zOmE", "cHJvdmlkZXJzOg", "cHJvdmlkZXJzOgA"],
)
async def test_a_token_of_no_page_of_this_listing_is_a_violation(stub: Stub, token: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await page(stub, 0, token)
    assert violations(caught.value) == {"page_token": "INVALID_PAGE_TOKEN"}


async def test_a_test_email_is_sent_and_shown_with_its_secrets_masked(
    stub: Stub, transport: FakeTransport
) -> None:
    await configure(stub, wanted())
    answer = await stub.SendTestEmail(
        provider_pb2.SendTestEmailRequest(
            nickname="acme",
            recipient=common_pb2.Recipient(email="ada@example.com", name="Ada"),
            campaign=common_pb2.CampaignSpec(
                subject="Hello", from_name="A", from_address="a@example.com", html="<p>"
            ),
        )
    )
    assert (answer.accepted, answer.exchange.status_code) == (True, 202)
    assert len(transport.requests) == 1
    assert "ada@example.com" in answer.exchange.request.body
    assert PASSWORD not in str(answer)
    assert KEY not in str(answer)


async def test_a_test_email_without_an_address_is_refused(
    stub: Stub, transport: FakeTransport
) -> None:
    await configure(stub, wanted())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.SendTestEmail(provider_pb2.SendTestEmailRequest(nickname="acme"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert transport.requests == []


async def test_all_presets_are_listed_with_their_settings(stub: Stub) -> None:
    answer = await stub.ListProviderPresets(provider_pb2.ListProviderPresetsRequest())

    names = [preset.name for preset in answer.presets]
    assert names == sorted(names)
    assert {"sendgrid", "amazon-ses", "generic-v2"} < set(names)
    [resend] = [preset for preset in answer.presets if preset.name == "resend"]
    settings = {setting.name: setting for setting in resend.settings}
    assert settings["api_key"].required
    assert settings["api_key"].variable == "RESEND_API_KEY"
    assert settings["nickname"].default_value == "resend"
    assert not settings["unsubscribe_url"].HasField("default_value")
    assert resend.verified[0].by
    assert resend.unverified
    assert 'nickname: "@@nickname@@"' in resend.provider_file
