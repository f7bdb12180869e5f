"""A model test of the queue: workers, operators, an ESP and time, in any order.

Each rule is one thing that somebody does; after each of them what is stored is what the model says.
Under the profile `explore` (see tests/conftest.py) it goes ten times as far.
"""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Connection

from adapters.sql.work_queue import SqlWorkQueue
from domain.campaign import CampaignState, DeliveryGuarantee
from domain.errors import TryLater
from services.ports import WorkQueue
from tests.contracts.machine.expected import QUEUED, SENDING
from tests.contracts.machine.workers import Answer, Worker
from tests.contracts.machine.working import Working
from tests.contracts.ports import NOW, Ports, SqlPorts, WatchedDatabase, over_fake, over_sql
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store

T = TypeVar("T")

_ENDS = (CampaignState.COMPLETED, CampaignState.CANCELLED)
# A database takes twenty times as long as memory.
_MANY = settings(max_examples=settings().max_examples * 2)
_FEW = settings(max_examples=settings().max_examples // 4, stateful_step_count=30)
# When one fails, Hypothesis takes up to five minutes to make the example a small one.
_SECONDS = 600


class QueueMachine(Working):
    """All rules together. At the end of each example, one worker alone brings all to its end.

    And one campaign more, with a single place: of what has been, nothing is in its way.
    """

    def teardown(self) -> None:
        try:
            # Else a rule has failed, or Hypothesis has cut the example short.
            if sys.exc_info()[0] is None:
                self._drain()
        finally:
            self.close()

    def _drain(self) -> None:
        self.time_passes(3600)
        self.take_over(0)
        for campaign in self.campaigns(CampaignState.PAUSED):
            self.resume(campaign)
        self.accept(2, None, DeliveryGuarantee.AT_MOST_ONCE, False)
        worker = Worker("last")
        self.workers = [worker]
        while worker.runs or self.due():
            self.go_on(worker, 1, Answer.ACCEPTED, True, False, 1)
        self.fold()
        self.all_is_as_it_must_be()
        for campaign in self.campaigns():
            self.look_at_messages(campaign)
            self.look_at_resends(campaign)
            assert campaign.state in _ENDS
            assert not campaign.in_state(QUEUED, SENDING)


class DoubtfulDatabase(WatchedDatabase):
    """Fails at the end of a transaction, when everything in it was done."""

    fails = False

    async def write(self, transact: Callable[[Connection], T]) -> T:
        def in_vain(connection: Connection) -> T:
            transact(connection)
            raise TryLater("the disk is full")

        return await super().write(in_vain if self.fails else transact)


class InMemory(QueueMachine):
    @asynccontextmanager
    async def open_ports(self) -> AsyncIterator[Ports]:
        yield over_fake(Store(FakeClock(NOW)))


@pytest.mark.timeout(_SECONDS)
def test_whatever_happens_in_whatever_order_the_fakes_keep_the_promises() -> None:
    run_state_machine_as_test(InMemory, settings=_MANY)


@pytest.mark.timeout(_SECONDS)
def test_whatever_happens_in_whatever_order_the_database_keeps_the_promises(
    tmp_path: Path,
) -> None:
    folders = (tmp_path / str(i) for i in count())

    class OnDisk(QueueMachine):
        def open_ports(self) -> AbstractAsyncContextManager[Ports]:
            folder = next(folders)
            folder.mkdir()
            return over_sql(folder, DoubtfulDatabase)

        def open_queues(self) -> Sequence[WorkQueue]:
            assert isinstance(self.ports, SqlPorts)
            return [self.ports.queue, SqlWorkQueue(self.ports.database)]

        def fail_storage(self, is_so: bool) -> None:
            assert isinstance(self.ports, SqlPorts)
            assert isinstance(self.ports.database, DoubtfulDatabase)
            self.ports.database.fails = is_so

    run_state_machine_as_test(OnDisk, settings=_FEW)
