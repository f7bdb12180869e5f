"""What a ProviderRepository must do, over the SQL adapter on a SQLite file."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from adapters.secret_box import SecretBox
from adapters.sql import schema
from adapters.sql.database import Database, create_schema
from adapters.sql.providers import SqlProviderRepository
from domain.errors import Conflict, NotFound, NotPossibleNow
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
from tests.fakes.clock import FakeClock

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
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(f"sqlite+aiosqlite:///{tmp_path / 'providers.db'}", clock=FakeClock(1000.0))
    await create_schema(made)
    yield made
    await made.close()


@pytest.fixture
def providers(database: Database) -> SqlProviderRepository:
    return SqlProviderRepository(database, SecretBox(b"k" * 32))


async def configure(
    providers: SqlProviderRepository, config: ProviderConfig = PLAIN
) -> tuple[Provider, bool]:
    return await providers.configure(config.nickname, lambda _: config)


async def test_a_new_provider_is_there_whole_with_a_token_of_its_own(
    providers: SqlProviderRepository,
) -> None:
    first, is_new = await configure(providers, WHOLE)
    second, _ = await configure(providers, replace(PLAIN, nickname="Other"))
    assert (is_new, first.config, first.version) == (True, WHOLE, 1)
    assert first.callback_token != second.callback_token
    assert len(first.callback_token) >= 22
    assert await providers.get("ACME") == first


async def test_a_change_keeps_the_token_raises_the_version_and_keeps_the_old_one(
    providers: SqlProviderRepository,
) -> None:
    first, _ = await configure(providers)
    second, is_new = await configure(providers, replace(WHOLE, nickname="aCME"))
    assert (is_new, second.version, second.config.nickname) == (False, 2, "aCME")
    assert second.callback_token == first.callback_token
    assert second.etag != first.etag
    assert await providers.version(first.provider_id, 1) == PLAIN


async def test_no_secret_stands_readable_in_the_database(
    providers: SqlProviderRepository, database: Database
) -> None:
    await configure(providers, WHOLE)
    async with database.reading() as connection:
        row = (await connection.execute(select(schema.provider_versions))).one()
    assert "hunter2" not in row.config
    assert "k3y" not in row.config
    assert b"hunter2" not in row.secrets


async def test_an_update_that_raises_stores_nothing(providers: SqlProviderRepository) -> None:
    await configure(providers)

    def fail(_: Provider | None) -> ProviderConfig:
        raise Conflict("provider", "Acme")

    with pytest.raises(Conflict):
        await providers.configure("Acme", fail)
    assert (await providers.get("Acme")).version == 1


async def test_of_twenty_changes_at_once_each_sees_the_one_before(
    providers: SqlProviderRepository,
) -> None:
    seen: list[int] = []

    def change(provider: Provider | None) -> ProviderConfig:
        seen.append(0 if provider is None else provider.version)
        return PLAIN

    await asyncio.gather(*(providers.configure("Acme", change) for _ in range(20)))
    assert seen == list(range(20))


async def test_providers_are_listed_by_name_in_pages(providers: SqlProviderRepository) -> None:
    for name in ("b", "C", "a"):
        await configure(providers, replace(PLAIN, nickname=name))
    page = await providers.list(after="", limit=2)
    assert [one.config.nickname for one in page] == ["a", "b"]
    rest = await providers.list(after="b", limit=2)
    assert [one.config.nickname for one in rest] == ["C"]


async def test_a_deleted_provider_frees_its_name_and_still_takes_callbacks(
    providers: SqlProviderRepository,
) -> None:
    old, _ = await configure(providers)
    await providers.delete("acme", etag=old.etag)
    with pytest.raises(NotFound):
        await providers.get("Acme")
    assert await providers.by_callback_token(old.callback_token) == old
    assert await providers.by_id(old.provider_id) == old
    new, is_new = await configure(providers)
    assert is_new
    assert new.provider_id != old.provider_id


async def test_a_deletion_with_an_old_etag_deletes_nothing(
    providers: SqlProviderRepository,
) -> None:
    old, _ = await configure(providers)
    await configure(providers)
    with pytest.raises(Conflict):
        await providers.delete("Acme", etag=old.etag)
    assert (await providers.get("Acme")).version == 2


async def test_a_provider_that_a_campaign_sends_through_is_not_deleted(
    providers: SqlProviderRepository, database: Database
) -> None:
    provider, _ = await configure(providers)
    async with database.writing() as connection:
        row = {"provider_id": provider.provider_id, "name": "", "envelope": "{}"}
        state = {"guarantee": "AT_MOST_ONCE", "state": "PAUSED", "created_at": 0.0}
        await connection.execute(insert(schema.campaigns).values({**row, **state}))
    with pytest.raises(NotPossibleNow, match="campaign 1 still sends"):
        await providers.delete("Acme", etag="")


async def test_a_pause_is_never_shortened(providers: SqlProviderRepository) -> None:
    provider, _ = await configure(providers)
    await providers.pause(provider.provider_id, until=50.0, reason="long")
    await providers.pause(provider.provider_id, until=20.0, reason="short")
    paused = await providers.get("Acme")
    assert (paused.paused_until, paused.pause_reason) == (50.0, "long")


async def test_what_is_not_there_is_not_found(providers: SqlProviderRepository) -> None:
    with pytest.raises(NotFound):
        await providers.by_id(9)
    with pytest.raises(NotFound):
        await providers.version(9, 1)
    with pytest.raises(NotFound):
        await providers.delete("nobody", etag="")
    assert await providers.by_callback_token("nothing") is None
