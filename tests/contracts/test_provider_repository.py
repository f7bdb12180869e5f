"""What every ProviderRepository must do."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

from adapters.sql import schema
from domain.campaign import CampaignSpec, CampaignState, Content
from domain.errors import Conflict, NotFound, NotPossibleNow, TryLater
from domain.provider import (
    BasicAuthentication,
    Batch,
    Header,
    IdempotencyKey,
    Limits,
    PreferenceCenter,
    PreferenceCenterKind,
    Provider,
    ProviderConfig,
    QueryParameter,
    RequestType,
)
from services.ports import ProviderRepository
from tests.contracts.ports import NOW, Ports, SqlPorts

PLAIN = ProviderConfig(
    nickname="Acme", request_type=RequestType.POST, http_endpoint="https://esp.example.com/send"
)
WHOLE = replace(
    PLAIN,
    basic=BasicAuthentication(username="u", password="hunter2"),
    headers=(Header(name="X-Key", value="k3y", secret=True), Header(name="X-Open", value="o")),
    query_parameters=(QueryParameter(name="q", value="$$To"),),
    parameters='{"to": "$$To"} // é',
    batch=Batch(max_messages=10, max_bytes=2000),
    default_from_name="Acme",
    preference_center=PreferenceCenter(
        kind=PreferenceCenterKind.CUSTOM_URL, custom_url="https://acme.example.com"
    ),
    limits=Limits(max_requests_per_second=2.5),
    idempotency_key=IdempotencyKey(header_name=None),
)


@pytest.fixture
def providers(ports: Ports) -> ProviderRepository:
    return ports.providers


async def configure(
    providers: ProviderRepository, config: ProviderConfig = PLAIN
) -> tuple[Provider, bool]:
    return await providers.configure(config.nickname, lambda _: config)


async def names(providers: ProviderRepository, *, after: str = "") -> list[str]:
    return [one.config.nickname for one in await providers.list(after=after, limit=2)]


async def test_a_new_provider_is_there_whole_with_a_token_of_its_own(
    providers: ProviderRepository,
) -> None:
    first, is_new = await configure(providers, WHOLE)
    second, _ = await configure(providers, replace(PLAIN, nickname="Other"))
    assert (is_new, first.config, first.version) == (True, WHOLE, 1)
    assert (first.created_at, first.updated_at, first.paused_until) == (NOW, NOW, None)
    assert first.callback_token != second.callback_token
    # 128 bits in URL-safe text.
    assert len(first.callback_token) >= 22
    assert await providers.get("ACME") == first
    assert await providers.by_id(first.provider_id) == first
    assert await providers.by_callback_token(first.callback_token) == first


async def test_a_change_keeps_the_token_raises_the_version_and_keeps_the_old_one(
    ports: Ports, providers: ProviderRepository
) -> None:
    first, _ = await configure(providers)
    ports.clock.advance(5)
    second, is_new = await configure(providers, replace(WHOLE, nickname="aCME"))
    assert (is_new, second.version, second.config.nickname) == (False, 2, "aCME")
    assert (second.created_at, second.updated_at) == (NOW, NOW + 5)
    assert second.callback_token == first.callback_token
    assert second.etag != first.etag
    assert await providers.version(first.provider_id, 1) == PLAIN
    assert await providers.version(first.provider_id, 2) == second.config


async def test_an_update_is_given_what_is_stored_or_none(providers: ProviderRepository) -> None:
    seen: list[Provider | None] = []

    def look(provider: Provider | None) -> ProviderConfig:
        seen.append(provider)
        return PLAIN

    first, _ = await providers.configure("ACME", look)
    await providers.configure("acme", look)
    assert seen == [None, first]


async def test_an_update_that_raises_stores_nothing(providers: ProviderRepository) -> None:
    def fail(_: Provider | None) -> ProviderConfig:
        raise Conflict("provider", "Acme")

    with pytest.raises(Conflict):
        await providers.configure("Acme", fail)
    assert await names(providers) == []
    await configure(providers)
    with pytest.raises(Conflict):
        await providers.configure("Acme", fail)
    assert (await providers.get("Acme")).version == 1


async def test_a_change_that_cannot_be_stored_leaves_what_was(
    ports: Ports, providers: ProviderRepository
) -> None:
    first, _ = await configure(providers)
    ports.be_busy(True)
    with pytest.raises(TryLater):
        await configure(providers, WHOLE)
    ports.be_busy(False)
    assert await providers.get("Acme") == first


async def test_of_twenty_changes_at_once_each_sees_the_one_before(
    providers: ProviderRepository,
) -> None:
    seen: list[int] = []

    def change(provider: Provider | None) -> ProviderConfig:
        seen.append(0 if provider is None else provider.version)
        return PLAIN

    stored = await asyncio.gather(*(providers.configure("Acme", change) for _ in range(20)))
    assert seen == list(range(20))
    assert sum(is_new for _, is_new in stored) == 1


async def test_providers_are_listed_by_name_in_pages(providers: ProviderRepository) -> None:
    for name in ("b", "C", "a", "D"):
        await configure(providers, replace(PLAIN, nickname=name))
    await providers.delete("d", etag="")
    assert await names(providers) == ["a", "b"]
    assert await names(providers, after="b") == ["C"]


async def test_a_deleted_provider_frees_its_name_and_still_takes_callbacks(
    providers: ProviderRepository,
) -> None:
    old, _ = await configure(providers)
    await providers.delete("acme", etag=old.etag)
    with pytest.raises(NotFound):
        await providers.get("Acme")
    assert await providers.by_callback_token(old.callback_token) == old
    assert await providers.by_id(old.provider_id) == old
    assert await providers.version(old.provider_id, 1) == PLAIN
    new, is_new = await configure(providers)
    assert is_new
    assert new.provider_id != old.provider_id
    assert new.callback_token != old.callback_token


async def test_a_deletion_with_an_old_etag_deletes_nothing(
    providers: ProviderRepository,
) -> None:
    old, _ = await configure(providers)
    await configure(providers)
    with pytest.raises(Conflict):
        await providers.delete("Acme", etag=old.etag)
    assert (await providers.get("Acme")).version == 2


async def test_of_twenty_deletions_at_once_one_finds_it(providers: ProviderRepository) -> None:
    await configure(providers)
    results = await asyncio.gather(
        *(providers.delete("Acme", etag="") for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(result, NotFound) for result in results) == 19
    assert results.count(None) == 1


async def test_a_provider_that_a_campaign_sends_through_is_not_deleted_before_it_ends(
    ports: Ports, providers: ProviderRepository
) -> None:
    provider, _ = await configure(providers)
    spec = CampaignSpec(request_id="r", provider="Acme", content=Content())
    number = await ports.campaigns.begin(spec, provider.provider_id)
    await ports.campaigns.accept(number, fingerprint=b"")
    await ports.campaigns.change_state(number, lambda _: (CampaignState.PAUSED, ""))
    await ports.campaigns.begin(spec, provider.provider_id)
    with pytest.raises(NotPossibleNow, match="campaign 1 still sends") as caught:
        await providers.delete("Acme", etag="")
    assert caught.value.reason == "PROVIDER_IN_USE"
    assert await providers.get("Acme") == provider
    await ports.campaigns.change_state(number, lambda _: (CampaignState.CANCELLED, ""))
    await ports.campaigns.sweep(begun_before=NOW + 1)
    await providers.delete("Acme", etag="")
    assert await names(providers) == []


async def test_while_a_campaign_comes_in_its_provider_is_not_deleted_and_no_number_is_named(
    ports: Ports, providers: ProviderRepository
) -> None:
    provider, _ = await configure(providers)
    spec = CampaignSpec(request_id="r", provider="Acme", content=Content())
    number = await ports.campaigns.begin(spec, provider.provider_id)
    with pytest.raises(NotPossibleNow, match="is just coming in") as caught:
        await providers.delete("Acme", etag="")
    assert (caught.value.reason, "1" in str(caught.value)) == ("PROVIDER_IN_USE", False)
    assert await providers.get("Acme") == provider
    await ports.campaigns.discard(number)
    await providers.delete("Acme", etag="")


async def test_a_pause_is_never_shortened(providers: ProviderRepository) -> None:
    provider, _ = await configure(providers)
    await providers.pause(provider.provider_id, until=50.0, reason="long")
    await providers.pause(provider.provider_id, until=20.0, reason="short")
    paused = await providers.get("Acme")
    assert (paused.paused_until, paused.pause_reason) == (50.0, "long")
    await providers.pause(provider.provider_id, until=60.0, reason="longer")
    paused = await providers.get("Acme")
    assert (paused.paused_until, paused.pause_reason) == (60.0, "longer")


async def test_what_is_not_there_is_not_found(providers: ProviderRepository) -> None:
    with pytest.raises(NotFound):
        await providers.get("nobody")
    with pytest.raises(NotFound):
        await providers.by_id(9)
    with pytest.raises(NotFound):
        await providers.version(9, 1)
    with pytest.raises(NotFound):
        await providers.delete("nobody", etag="")
    assert await providers.by_callback_token("nothing") is None


async def test_no_secret_stands_readable_in_the_database(sql_ports: SqlPorts) -> None:
    """Over SQL alone: memory is no place that anybody else reads."""
    await configure(sql_ports.providers, WHOLE)
    async with sql_ports.database.reading() as connection:
        row = (await connection.execute(select(schema.provider_versions))).one()
    assert "hunter2" not in row.config
    assert "k3y" not in row.config
    assert b"hunter2" not in row.secrets
