import asyncio

import pytest

from domain.provider import Limits
from services.slots import Slots
from tests.contracts.ports import NOW, Ports, over_fake
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store
from tests.services.dispatching import provider_config
from tests.support import eventually


@pytest.fixture
def ports() -> Ports:
    return over_fake(Store(FakeClock(NOW)))


class Waiter:
    """Waits for single slots of a provider that has ten a second."""

    def __init__(self, slots: Slots, provider_id: int) -> None:
        self._slots, self._provider_id = slots, provider_id
        self.stopping = asyncio.Event()

    async def wait(self, *, is_small: bool) -> float | None:
        waited = await self._slots.wait(
            self._provider_id, requests=1, messages=1, is_small=is_small, stopping=self.stopping
        )
        return None if waited is None else round(waited, 5)


@pytest.fixture
async def waiter(ports: Ports) -> Waiter:
    config = provider_config(limits=Limits(max_requests_per_second=10))
    provider, _ = await ports.providers.configure("acme", lambda _: config)
    return Waiter(Slots(ports.limiter), provider.provider_id)


async def test_whoever_is_small_goes_before_those_whose_slots_are_far_ahead(
    ports: Ports, waiter: Waiter
) -> None:
    large = [asyncio.create_task(waiter.wait(is_small=False)) for _ in range(8)]
    await asyncio.sleep(0)
    small = asyncio.create_task(waiter.wait(is_small=True))
    # Three of the large ones found slots that are near: now, and in one and two tenths of a second.
    assert await small == 0.3
    assert sum(task.done() for task in large) == 3

    def all_have_had_their_turn() -> bool:
        ports.clock.advance(0.01)
        return all(task.done() for task in large)

    await eventually(all_have_had_their_turn)


async def test_a_wait_for_a_slot_that_is_far_ahead_ends_with_the_worker(waiter: Waiter) -> None:
    large = [asyncio.create_task(waiter.wait(is_small=False)) for _ in range(4)]
    await eventually(lambda: sum(task.done() for task in large) == 3)
    waiter.stopping.set()
    assert await large[-1] is not None


async def test_nobody_waits_for_a_slot_of_a_provider_that_is_paused(
    ports: Ports, waiter: Waiter
) -> None:
    provider = await ports.providers.get("acme")
    until = ports.clock.now() + 60
    await ports.providers.pause(provider.provider_id, until=until, reason="by a test")
    assert await waiter.wait(is_small=True) is None
