"""Folding the log, again and again."""

import asyncio

import structlog
from structlog.testing import CapturingLogger

from domain.callback import CallbackType
from domain.errors import TryLater
from domain.message import MessageState
from entrypoints.serve.folding import keep_folding
from tests.contracts.bench import Bench
from tests.contracts.ports import NOW, over_fake
from tests.fakes.clock import FakeClock
from tests.fakes.event_log import FakeEventLog
from tests.fakes.store import Store
from tests.support import eventually


class BusyAtFirst(FakeEventLog):
    """Its database is busy when it is asked first."""

    asked = 0

    async def head(self) -> int:
        self.asked += 1
        if self.asked == 1:
            raise TryLater("busy")
        return await super().head()


async def test_folding_goes_on_after_a_database_was_busy() -> None:
    store = Store(FakeClock(NOW))
    bench = await Bench.on(over_fake(store))
    number = await bench.sent(1)
    await bench.say(number, 0, CallbackType.DELIVERED)
    log = BusyAtFirst(store)
    folding = asyncio.create_task(keep_folding(log, structlog.get_logger()))

    async def is_folded() -> bool:
        return await bench.states(number) == [MessageState.DELIVERED]

    await eventually(is_folded)
    folding.cancel()
    await asyncio.gather(folding, return_exceptions=True)
    assert folding.cancelled()
    assert log.asked > 1


class FarBehind(FakeEventLog):
    """Has many entries to fold, `left` of them after each step."""

    def __init__(self, store: Store, left: list[int]) -> None:
        super().__init__(store)
        self.left = left

    async def fold(self, *, limit: int) -> int:
        return self.left.pop(0) if self.left else await super().fold(limit=limit)


async def test_a_state_of_messages_that_is_far_behind_is_told_once_and_when_it_is_not() -> None:
    store, logger = Store(FakeClock(NOW)), CapturingLogger()
    log = FarBehind(store, [200_000, 150_000, 100_000, 99_999])
    told = structlog.wrap_logger(logger, processors=[])
    folding = asyncio.create_task(keep_folding(log, told))
    await eventually(lambda: len(logger.calls) == 2)
    folding.cancel()
    await asyncio.gather(folding, return_exceptions=True)
    behind, again = logger.calls
    assert (behind.method_name, behind.kwargs["events"]) == ("warning", 200_000)
    assert again.method_name == "info"
    assert log.left == []
