"""What every Limiter must do."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from domain.provider import Limits
from tests.contracts.ports import Ports
from tests.domain.provider_samples import POST


@dataclass(frozen=True, slots=True)
class Limited:
    """A limiter, and providers whose limits a test sets."""

    ports: Ports

    async def limit(self, limits: Limits, *, nickname: str = "acme") -> int:
        config = replace(POST, nickname=nickname, limits=limits)
        provider, _ = await self.ports.providers.configure(nickname, lambda _: config)
        # A change holds within a second.
        self.ports.clock.advance(1)
        return provider.provider_id

    async def waits(self, provider_id: int, times: int, *, messages: int = 1) -> list[float]:
        reserve = self.ports.limiter.reserve
        calls = (reserve(provider_id, requests=1, messages=messages) for _ in range(times))
        # Epoch seconds leave a float seven places.
        waits = [wait for wait in await asyncio.gather(*calls) if wait is not None]
        assert len(waits) == times
        return [round(wait, 5) for wait in sorted(waits)]


@pytest.fixture
def limited(ports: Ports) -> Limited:
    return Limited(ports)


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
    limited.ports.clock.advance(60)
    assert await limited.waits(provider_id, 2) == [0.0, 0.1]


async def test_a_changed_limit_holds_within_a_second(limited: Limited) -> None:
    await limited.limit(Limits(max_requests_per_second=1))
    provider_id = await limited.limit(Limits(max_requests_per_second=100))
    assert await limited.waits(provider_id, 2) == [0.0, 0.01]


async def test_slots_that_were_taken_ahead_take_as_long_as_under_the_changed_limit(
    limited: Limited,
) -> None:
    provider_id = await limited.limit(Limits(max_requests_per_second=1))
    assert await limited.waits(provider_id, 10) == [float(wait) for wait in range(10)]
    # Ten seconds' worth of slots becomes one second's.
    config = replace(POST, limits=Limits(max_requests_per_second=10))
    await limited.ports.providers.configure("acme", lambda _: config)
    limited.ports.clock.advance(0.5)
    assert await limited.waits(provider_id, 2) == [0.5, 0.6]


async def test_a_slot_that_is_too_far_away_is_left_to_others(limited: Limited) -> None:
    provider_id = await limited.limit(Limits(max_requests_per_second=10))
    reserve = limited.ports.limiter.reserve
    waits = [
        await reserve(provider_id, requests=1, messages=1, within=within)
        for within in (0.0, 0.05, 0.05, 0.15, 0.15)
    ]
    assert waits == pytest.approx([0.0, 0.1, 0.1, 0.1, 0.2], abs=1e-5)
    limited.ports.clock.advance(0.1)
    assert await limited.waits(provider_id, 1) == [0.1]


async def test_the_limits_of_now_are_told(limited: Limited) -> None:
    await limited.limit(Limits(max_in_flight=3))
    provider_id = await limited.limit(Limits(max_in_flight=5))
    assert await limited.ports.limiter.limits(provider_id) == Limits(max_in_flight=5)


async def test_one_provider_does_not_wait_for_another(limited: Limited) -> None:
    first = await limited.limit(Limits(max_requests_per_second=1))
    second = await limited.limit(Limits(max_requests_per_second=1), nickname="other")
    assert await limited.waits(first, 3) == [0.0, 1.0, 2.0]
    assert await limited.waits(second, 1) == [0.0]


async def test_nobody_gets_a_slot_while_the_provider_is_paused(limited: Limited) -> None:
    provider_id = await limited.limit(Limits(max_requests_per_second=10))
    until = limited.ports.clock.now() + 60
    await limited.ports.providers.pause(provider_id, until=until, reason="by a test")
    limited.ports.clock.advance(1)
    assert await limited.ports.limiter.reserve(provider_id, requests=1, messages=1) is None
    limited.ports.clock.advance(61)
    assert await limited.waits(provider_id, 2) == [0.0, 0.1]
