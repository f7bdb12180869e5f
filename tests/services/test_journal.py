"""Steps that are recorded together, over a queue in memory that fails as a test says."""

import asyncio
from collections.abc import Sequence

import pytest

from domain.errors import TryLater
from domain.message import MessageState
from services.journal import Journal
from services.ports import Recorded, Step
from tests.contracts.bench import Bench, posting
from tests.contracts.ports import NOW, over_fake
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store
from tests.fakes.work_queue import FakeWorkQueue


class FailingQueue(FakeWorkQueue):
    """Raises the errors one by one; after them it records. `groups` has the size of each try."""

    def __init__(self, store: Store, *errors: Exception) -> None:
        super().__init__(store)
        self._errors = list(errors)
        self.groups: list[int] = []
        self.asked = asyncio.Event()

    async def record(self, steps: Sequence[Step]) -> Sequence[Recorded]:
        self.groups.append(len(steps))
        self.asked.set()
        if self._errors:
            raise self._errors.pop(0)
        return await super().record(steps)


@pytest.fixture
def store() -> Store:
    return Store(FakeClock(NOW))


@pytest.fixture
async def bench(store: Store) -> Bench:
    return await Bench.on(over_fake(store))


async def steps(bench: Bench, count: int) -> list[Step]:
    """The intents of as many campaigns of one message."""
    for _ in range(count):
        await bench.campaign(1)
    return [posting(claim, 0)[0] for claim in await bench.claim(limit=count)]


async def test_a_step_is_tried_until_a_busy_database_takes_it(store: Store, bench: Bench) -> None:
    (step,) = await steps(bench, 1)
    queue = FailingQueue(store, TryLater("busy"), TryLater("busy"))
    assert await Journal(queue).record(step) is Recorded.STORED
    assert queue.groups == [1, 1, 1]
    assert await bench.states(step.key.campaign_number) == [MessageState.SENDING]


async def test_what_comes_while_one_commit_runs_shares_the_next(store: Store, bench: Bench) -> None:
    first, *others = await steps(bench, 4)
    queue = FailingQueue(store)
    journal = Journal(queue)
    tasks = [asyncio.create_task(journal.record(first))]
    await queue.asked.wait()
    tasks += [asyncio.create_task(journal.record(step)) for step in others]
    assert await asyncio.gather(*tasks) == [Recorded.STORED] * 4
    assert queue.groups == [1, 3]


async def test_a_fault_of_the_program_ends_all_that_wait_for_it_and_nobody_after(
    store: Store, bench: Bench
) -> None:
    first, second, third = await steps(bench, 3)
    queue = FailingQueue(store, ZeroDivisionError())
    journal = Journal(queue)
    together = asyncio.gather(journal.record(first), journal.record(second), return_exceptions=True)
    assert [type(error) for error in await together] == [ZeroDivisionError] * 2
    assert await journal.record(third) is Recorded.STORED
    assert queue.groups == [2, 1]
