"""Configuring a provider, over the SQL repository on a SQLite file."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.secret_box import SecretBox
from adapters.sql.database import Database
from adapters.sql.providers import SqlProviderRepository
from domain.errors import Conflict, InvalidRequest, NotFound
from domain.provider import BasicAuthentication, Header, Provider, ProviderConfig
from services.configure_provider import ConfigureProvider
from tests.domain.provider_samples import POST, header
from tests.fakes.clock import FakeClock
from tests.tables import create_schema

ENDPOINT = "https://api.example.com/v1/send"
PASSWORD = "hunter2"
KEY = "k3y"
SECRETS = replace(
    POST,
    http_endpoint=ENDPOINT,
    basic=BasicAuthentication(username="sara", password=PASSWORD),
    headers=(header("X-Key", KEY, secret=True), header("X-Open", "open")),
)


@pytest.fixture
async def providers(tmp_path: Path) -> AsyncIterator[SqlProviderRepository]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'providers.db'}", clock=FakeClock())
    await create_schema(database)
    yield SqlProviderRepository(database, SecretBox(b"k" * 32))
    await database.close()


@pytest.fixture
def configure(providers: SqlProviderRepository) -> ConfigureProvider:
    return ConfigureProvider(providers)


class Overtaken(SqlProviderRepository):
    """Lets another change be stored between the check and the transaction."""

    def __init__(self, inner: SqlProviderRepository, other: ProviderConfig) -> None:
        self._inner, self._other = inner, other

    async def get(self, nickname: str) -> Provider:
        return await self._inner.get(nickname)

    async def configure(
        self, nickname: str, update: Callable[[Provider | None], ProviderConfig]
    ) -> tuple[Provider, bool]:
        await self._inner.configure(nickname, lambda _: self._other)
        return await self._inner.configure(nickname, update)


def without_secrets(config: ProviderConfig = SECRETS, endpoint: str = ENDPOINT) -> ProviderConfig:
    """What a client has after reading `config`: every secret is empty."""
    basic = None if config.basic is None else replace(config.basic, password="")
    headers = tuple(replace(h, value="") if h.secret else h for h in config.headers)
    return replace(config, basic=basic, headers=headers, http_endpoint=endpoint)


async def refused(
    configure: ConfigureProvider, wanted: ProviderConfig, *, validate_only: bool = False
) -> dict[str, str]:
    """The reason of each violation, by its field."""
    with pytest.raises(InvalidRequest) as caught:
        await configure(wanted, validate_only=validate_only)
    assert PASSWORD not in str(caught.value)
    assert KEY not in str(caught.value)
    fields = [violation.field for violation in caught.value.violations]
    assert len(fields) == len(set(fields)), "one field has one violation here"
    return {violation.field: violation.reason for violation in caught.value.violations}


async def test_a_new_provider_is_stored_and_its_advice_is_told(
    configure: ConfigureProvider, providers: SqlProviderRepository
) -> None:
    plain = replace(SECRETS, http_endpoint="http://api.example.com/send")
    done = await configure(plain)
    assert done.is_new
    assert done.provider == await providers.get(plain.nickname)
    assert done.config == plain
    assert [each.reason for each in done.advice] == ["CREDENTIALS_UNENCRYPTED"]


async def test_what_a_change_leaves_out_is_unset_but_for_secrets(
    configure: ConfigureProvider, providers: SqlProviderRepository
) -> None:
    await configure(replace(SECRETS, default_from_name="Acme"))
    done = await configure(without_secrets())
    assert not done.is_new
    stored = await providers.get(SECRETS.nickname)
    assert stored.config == SECRETS
    assert stored.version == 2


async def test_a_secret_that_is_given_replaces_the_stored_one(
    configure: ConfigureProvider, providers: SqlProviderRepository
) -> None:
    await configure(SECRETS)
    changed = replace(
        SECRETS,
        http_endpoint="https://elsewhere.example.com/send",
        basic=BasicAuthentication(username="sara", password="other"),
        headers=(header("X-Key", "other key", secret=True),),
    )
    await configure(changed)
    assert (await providers.get(SECRETS.nickname)).config == changed


async def test_a_secret_header_is_found_in_any_letter_case_and_place(
    configure: ConfigureProvider, providers: SqlProviderRepository
) -> None:
    await configure(SECRETS)
    headers = (header("X-Open", "open"), header("x-KEY", "", secret=True))
    await configure(replace(without_secrets(), headers=headers))
    stored = (await providers.get(SECRETS.nickname)).config
    assert stored.headers[1] == Header(name="x-KEY", value=KEY, secret=True)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://api.example.com/v2/other?account=7",
        "https://api.example.com:443/v1/send",
        "HTTPS://API.Example.com/v1/send",
    ],
)
async def test_secrets_stay_while_scheme_host_and_port_do(
    configure: ConfigureProvider, endpoint: str
) -> None:
    await configure(SECRETS)
    done = await configure(without_secrets(endpoint=endpoint))
    assert done.config == replace(SECRETS, http_endpoint=endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://api.example.com/v1/send",
        "http://api.example.com:443/v1/send",
        "https://api.example.com:8443/v1/send",
        "https://api.example.com.evil.example/v1/send",
        "https://evil.example/v1/send",
    ],
)
async def test_secrets_never_go_to_another_server(
    configure: ConfigureProvider, providers: SqlProviderRepository, endpoint: str
) -> None:
    await configure(SECRETS)
    assert await refused(configure, without_secrets(endpoint=endpoint)) == {
        "authentication.basic.password": "SECRET_OF_ANOTHER_SERVER",
        "headers[0].value": "SECRET_OF_ANOTHER_SERVER",
    }
    assert (await providers.get(SECRETS.nickname)).config == SECRETS


async def test_an_endpoint_that_is_no_url_keeps_no_secrets(configure: ConfigureProvider) -> None:
    await configure(SECRETS)
    faults = await refused(configure, without_secrets(endpoint="https://sara@api.example.com/"))
    assert faults["http_endpoint"] == "INVALID_URL"
    assert faults["headers[0].value"] == "SECRET_OF_ANOTHER_SERVER"


async def test_a_secret_that_was_never_stored_is_missing(configure: ConfigureProvider) -> None:
    assert await refused(configure, without_secrets()) == {
        "authentication.basic.password": "REQUIRED",
        "headers[0].value": "REQUIRED",
    }


async def test_a_readable_header_does_not_become_a_secret_without_a_value(
    configure: ConfigureProvider,
) -> None:
    await configure(SECRETS)
    hidden = replace(without_secrets(), headers=(header("X-Open", "", secret=True),))
    assert await refused(configure, hidden) == {"headers[0].value": "REQUIRED"}


async def test_a_secret_never_comes_back_as_a_readable_header(
    configure: ConfigureProvider,
) -> None:
    await configure(SECRETS)
    opened = replace(without_secrets(), headers=(header("X-Key", "", secret=False),))
    assert (await configure(opened)).config.headers[0].value == ""


async def test_all_violations_come_together_and_nothing_is_stored(
    configure: ConfigureProvider, providers: SqlProviderRepository
) -> None:
    wrong = replace(POST, parameters="{", http_endpoint="ftp://x", default_from_address="nobody")
    assert set(await refused(configure, wrong)) >= {"http_endpoint", "default_from_address"}
    with pytest.raises(NotFound):
        await providers.get(POST.nickname)


async def test_validate_only_stores_nothing(
    configure: ConfigureProvider, providers: SqlProviderRepository
) -> None:
    done = await configure(SECRETS, validate_only=True)
    assert (done.is_new, done.provider, done.config) == (True, None, SECRETS)
    with pytest.raises(NotFound):
        await providers.get(SECRETS.nickname)


async def test_validate_only_knows_the_stored_secrets(
    configure: ConfigureProvider, providers: SqlProviderRepository
) -> None:
    before = (await configure(SECRETS)).provider
    renamed = replace(without_secrets(), default_from_name="Acme")
    done = await configure(renamed, validate_only=True)
    assert (done.is_new, done.provider) == (False, before)
    assert done.config == replace(SECRETS, default_from_name="Acme")
    assert await providers.get(SECRETS.nickname) == before


async def test_validate_only_finds_what_storing_would(configure: ConfigureProvider) -> None:
    wrong = replace(POST, http_endpoint="ftp://x")
    assert await refused(configure, wrong, validate_only=True) == {"http_endpoint": "INVALID_URL"}


async def test_the_present_etag_admits_a_change_and_an_old_one_does_not(
    configure: ConfigureProvider, providers: SqlProviderRepository
) -> None:
    first = (await configure(POST)).provider
    assert first is not None
    await configure(replace(POST, default_from_name="One"), etag=first.etag)
    with pytest.raises(Conflict):
        await configure(replace(POST, default_from_name="Two"), etag=first.etag)
    assert (await providers.get(POST.nickname)).config.default_from_name == "One"


@pytest.mark.parametrize("validate_only", [False, True])
async def test_an_etag_of_a_provider_that_is_gone_says_so_and_is_a_conflict_with_the_next_one(
    configure: ConfigureProvider, providers: SqlProviderRepository, validate_only: bool
) -> None:
    first = (await configure(POST)).provider
    assert first is not None
    await providers.delete(POST.nickname, etag="")
    with pytest.raises(NotFound) as caught:
        await configure(POST, etag=first.etag, validate_only=validate_only)
    assert (caught.value.kind, caught.value.name) == ("provider", POST.nickname)
    await configure(POST)
    with pytest.raises(Conflict):
        await configure(POST, etag=first.etag, validate_only=validate_only)


async def test_a_change_between_check_and_transaction_is_a_conflict_with_an_etag(
    configure: ConfigureProvider, providers: SqlProviderRepository
) -> None:
    first = (await configure(POST)).provider
    assert first is not None
    other = replace(POST, default_from_name="Other")
    with pytest.raises(Conflict):
        await ConfigureProvider(Overtaken(providers, other))(POST, etag=first.etag)
    assert (await providers.get(POST.nickname)).config == other


async def test_a_server_that_changes_between_check_and_transaction_gets_no_old_secret(
    configure: ConfigureProvider, providers: SqlProviderRepository
) -> None:
    await configure(SECRETS)
    moved = replace(SECRETS, http_endpoint="https://elsewhere.example.com/send")
    overtaken = ConfigureProvider(Overtaken(providers, moved))
    faults = await refused(overtaken, without_secrets())
    assert set(faults.values()) == {"SECRET_OF_ANOTHER_SERVER"}


async def test_a_secret_that_changes_between_check_and_transaction_stays_the_newer_one(
    configure: ConfigureProvider, providers: SqlProviderRepository
) -> None:
    await configure(SECRETS)
    newer = replace(SECRETS, headers=(header("X-Key", "newer", secret=True), SECRETS.headers[1]))
    done = await ConfigureProvider(Overtaken(providers, newer))(without_secrets())
    assert done.config == newer


async def test_of_two_changes_with_one_etag_exactly_one_is_stored(
    configure: ConfigureProvider, providers: SqlProviderRepository
) -> None:
    first = (await configure(POST)).provider
    assert first is not None
    wanted = [replace(POST, default_from_name=name) for name in ("One", "Two")]
    results = await asyncio.gather(
        *(configure(each, etag=first.etag) for each in wanted), return_exceptions=True
    )
    conflicts = [result for result in results if isinstance(result, Conflict)]
    assert len(conflicts) == 1
    assert (await providers.get(POST.nickname)).version == 2
