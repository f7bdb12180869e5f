"""Where the rules play: the ports of one example, the model beside them, and what must hold."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from itertools import count
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from domain.callback import CallbackType
from domain.campaign import CampaignState
from domain.events import START, Cursor, EntryKind, LogEntry
from domain.message import MessageState
from services.ports import WorkQueue
from tests.contracts.bench import LEASE, Bench
from tests.contracts.machine.expected import UNKNOWN, ExpectedCampaign
from tests.contracts.machine.model import Model
from tests.contracts.machine.workers import Run, Worker
from tests.contracts.ports import Ports

_T = TypeVar("_T")

UNENDED = (CampaignState.SCHEDULED, CampaignState.SENDING, CampaignState.PAUSED)
_WORKERS = 2


def among(find: Callable[[Any], Sequence[_T]]) -> st.SearchStrategy[_T]:
    """One of what the machine has at that moment."""
    return st.runner().flatmap(lambda machine: st.sampled_from(find(machine)))


class Stage(RuleBasedStateMachine):
    """Drives the ports from outside of their event loop, one call at a time.

    `reported` are the callbacks in the order in which they were stored, each once; `folded` is how
    many of them the messages have seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._opened = AsyncExitStack()
        self.ports = self.do(self._opened.enter_async_context(self.open_ports()))
        self.bench = self.do(Bench.on(self.ports))
        self.queues = self.open_queues()
        self.model = Model()
        self.names = (f"w{i}" for i in count())
        self.workers = [Worker(next(self.names)) for _ in range(_WORKERS)]
        self.reported: list[tuple[int, int, CallbackType]] = []
        self.folded = 0
        self._seen: dict[int, dict[int, MessageState]] = {}
        self._entries: list[LogEntry] = []

    def open_ports(self) -> AbstractAsyncContextManager[Ports]:
        """Ports on an empty store, of this example alone."""
        raise NotImplementedError

    def open_queues(self) -> Sequence[WorkQueue]:
        """As many as there are processes; what one remembers another may have changed."""
        return [self.ports.queue]

    def fail_storage(self, is_so: bool) -> None:
        self.ports.be_busy(is_so)

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        self.do(self._opened.aclose())
        self.do(self._loop.shutdown_asyncgens())
        self._loop.close()

    @property
    def queue(self) -> WorkQueue:
        """That of somebody who does no work."""
        return self.queues[-1]

    def queue_of(self, worker: Worker) -> WorkQueue:
        return self.queues[self.workers.index(worker) % len(self.queues)]

    @property
    def now(self) -> float:
        return self.ports.clock.now()

    def due(self) -> set[tuple[int, int]]:
        return self.model.due(self.now)

    def runs(self) -> list[Run]:
        return [run for worker in self.workers for run in worker.runs]

    def campaigns(self, *states: CampaignState) -> list[ExpectedCampaign]:
        """Those in one of the states, or all."""
        return [one for one in self.model.campaigns.values() if not states or one.state in states]

    def held(self, *states: CampaignState) -> list[ExpectedCampaign]:
        """Those that a worker has a chunk of."""
        return [one for one in self.campaigns(*states) if one.is_held()]

    @invariant()
    def all_is_as_it_must_be(self) -> None:
        self.model.keeps_its_promises()
        self._look_at_campaigns()
        for campaign in self.campaigns():
            # What should not have changed is looked at again in the end, for speed.
            if self._seen.get(campaign.number) != campaign.messages:
                self.look_at_messages(campaign)
        self._look_at_log()
        if not self.due():
            assert self.do(self.queue.claim("nobody", limit=1, lease_seconds=LEASE)) == []

    def _look_at_campaigns(self) -> None:
        listing = self.ports.campaigns.list(before=None, limit=1000)
        stored = {one.number: one for one in self.do(listing)}
        for campaign in self.campaigns():
            found = stored[campaign.number]
            assert found.state is campaign.state
            states = Counter(campaign.messages.values())
            assert {state: n for state, n in found.counts.items() if n} == states

    def look_at_messages(self, campaign: ExpectedCampaign) -> None:
        found = self.ports.campaigns.messages(campaign.number, after=-1, limit=10_000)
        rows, _ = self.do(found)
        self._seen[campaign.number] = {row.ordinal: row.state for row in rows}
        assert self._seen[campaign.number] == campaign.messages
        assert all(row.reason and row.lost_at for row in rows if row.state is UNKNOWN)

    def look_at_resends(self, campaign: ExpectedCampaign) -> None:
        for ordinal in campaign.had_intent:
            resends = self.do(self.ports.campaigns.resends(campaign.number, ordinal))
            assert len(resends) == campaign.resends[ordinal]

    def _look_at_log(self) -> None:
        read = Cursor(self._entries[-1].position, 2**31) if self._entries else START
        self._entries += self.do(self.ports.log.read(after=read, limit=10_000))
        for kind in (EntryKind.SENT, EntryKind.FAILED):
            entries = [entry for entry in self._entries if entry.kind is kind]
            assert Counter((e.number, o) for e in entries for o in e.ordinals) == {
                (campaign.number, ordinal): times
                for campaign in self.campaigns()
                for ordinal, times in campaign.said(kind).items()
            }
