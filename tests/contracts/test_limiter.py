"""What a Limiter must do, over the SQL adapter on a SQLite file."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.secret_box import SecretBox
from adapters.sql.database import Database, create_schema
from adapters.sql.limiter import SqlLimiter
from adapters.sql.providers import SqlProviderRepository
from domain.provider import Limits
from tests.contracts.test_provider_repository import PLAIN
from tests.fakes.clock import FakeClock


@dataclass
class Limited:
    """A limiter, and one provider whose limits a test sets."""

    database: Database
    clock: FakeClock

    async def limit(self, limits: Limits) -> int:
        repository = SqlProviderRepository(self.database, SecretBox(b"k" * 32))
        config = replace(PLAIN, limits=limits)
        provider, _ = await repository.configure(config.nickname, lambda _: config)
        return provider.provider_id

    async def waits(self, provider_id: int, times: int, *, messages: int = 1) -> list[float]:
        limiter = SqlLimiter(self.database)
        calls = (limiter.reserve(provider_id, requests=1, messages=messages) for _ in range(times))
        return [round(wait, 6) for wait in sorted(await asyncio.gather(*calls))]


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Limited]:
    clock = FakeClock(1000.0)
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'limits.db'}", clock=clock)
    await create_schema(database)
    yield Limited(database, clock)
    await database.close()


async def test_without_a_rate_nobody_waits(limited: Limited) -> None:
    assert await limited.waits(await limited.limit(Limits()), 3) == [0.0, 0.0, 0.0]


async def test_callers_at_once_get_slots_of_their_own(limited: Limited) -> None:
    provider_id = await limited.limit(Limits(max_requests_per_second=10))
    assert await limited.waits(provider_id, 5) == [0.0, 0.1, 0.2, 0.3, 0.4]


async def test_messages_are_counted_where_they_are_limited(limited: Limited) -> None:
    provider_id = await limited.limit(Limits(max_messages_per_second=100))
    assert await limited.waits(provider_id, 3, messages=50) == [0.0, 0.5, 1.0]


async def test_the_stricter_limit_holds(limited: Limited) -> None:
    limits = Limits(max_requests_per_second=100, max_messages_per_second=10)
    assert await limited.waits(await limited.limit(limits), 2, messages=5) == [0.0, 0.5]


async def test_time_that_nobody_used_is_not_saved_up(limited: Limited) -> None:
    provider_id = await limited.limit(Limits(max_requests_per_second=10))
    await limited.waits(provider_id, 1)
    limited.clock.advance(60)
    assert await limited.waits(provider_id, 2) == [0.0, 0.1]


async def test_a_changed_limit_holds_at_once(limited: Limited) -> None:
    await limited.limit(Limits(max_requests_per_second=1))
    provider_id = await limited.limit(Limits(max_requests_per_second=100))
    assert await limited.waits(provider_id, 2) == [0.0, 0.01]
