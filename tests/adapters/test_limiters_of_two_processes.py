"""Two limiters on one database file, as two dispatcher processes have them."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.sql.database import Database
from adapters.sql.limiter import SqlLimiter
from domain.provider import Limits
from tests.contracts.ports import NOW, over_sql
from tests.domain.provider_samples import POST
from tests.fakes.clock import FakeClock

SECONDS = 10
WORKERS = 4
# A slot at the beginning of a second is of that second, though floats may put it a hair before.
SHIFT = 0.005


@dataclass(frozen=True, slots=True)
class Two:
    """Both by one clock, and how many `messages` they let go in each second of it."""

    limiters: tuple[SqlLimiter, SqlLimiter]
    clock: FakeClock
    provider_id: int
    messages: Counter[int]

    async def send(self, requests: int, messages: int) -> None:
        """All workers of both ask whenever their own slot is over, for `SECONDS`."""
        chance = random.Random(1)
        free_at = [(NOW, worker) for worker in range(2 * WORKERS)]
        while min(free_at)[0] < NOW + SECONDS:
            now, worker = min(free_at)
            free_at.remove((now, worker))
            self.clock.advance(now - self.clock.now())
            limiter = self.limiters[worker % 2]
            wait = await limiter.reserve(self.provider_id, requests=requests, messages=messages)
            assert wait is not None
            leaves = now + wait
            self.messages[int(leaves - NOW + SHIFT)] += messages
            # Until it asks again its intent is made durable; the others do not wait for that.
            free_at.append((leaves + chance.uniform(0, 0.01), worker))


@pytest.fixture
async def two(tmp_path: Path, limits: Limits) -> AsyncIterator[Two]:
    async with over_sql(tmp_path) as ports:
        config = replace(POST, limits=limits)
        provider, _ = await ports.providers.configure("acme", lambda _: config)
        other = Database(ports.url, clock=ports.clock)
        yield Two(
            (SqlLimiter(ports.database), SqlLimiter(other)),
            ports.clock,
            provider.provider_id,
            Counter(),
        )
        await other.close()


@pytest.mark.parametrize(
    ("limits", "requests", "messages", "expected"),
    [
        (Limits(max_requests_per_second=100), 2, 2, 100),
        (Limits(max_messages_per_second=2_000), 4, 40, 2_000),
        (Limits(max_requests_per_second=3, max_messages_per_second=2_000), 1, 10, 30),
    ],
)
async def test_together_they_let_go_exactly_what_the_limit_says(
    two: Two, requests: int, messages: int, expected: int
) -> None:
    await two.send(requests, messages)
    assert [two.messages[second] for second in range(SECONDS)] == [expected] * SECONDS
