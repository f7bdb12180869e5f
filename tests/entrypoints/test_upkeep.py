"""What is done again and again beside the calls."""

import asyncio

from domain.callback import CallbackType
from domain.errors import TryLater
from domain.message import MessageState
from entrypoints.serve.upkeep import keep_folding
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
    folding = asyncio.create_task(keep_folding(log))

    async def is_folded() -> bool:
        return await bench.states(number) == [MessageState.DELIVERED]

    await eventually(is_folded)
    folding.cancel()
    await asyncio.gather(folding, return_exceptions=True)
    assert folding.cancelled()
    assert log.asked > 1
