"""The ESP of a round: it counts what it accepted, by message id."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp

from entrypoints.simulated_esp import EspSettings, SimulatedEsp
from tests.chaos.plan import Plan
from tests.support import eventually

_IDS_AT_ONCE = 10_000
# Far more than its longest delay.
_IDLE_SECONDS = 30.0


class Esp:
    """The simulated ESP, and what is asked of it."""

    def __init__(self, simulated: SimulatedEsp, session: aiohttp.ClientSession) -> None:
        self._simulated = simulated
        self._session = session

    @property
    def url(self) -> str:
        return self._simulated.url

    def behave_well(self, plan: Plan) -> None:
        self._simulated.behave(plan.behaviour(faulty=False))

    def in_flight(self) -> int:
        """Requests that came and were not answered, nor dropped, until now."""
        requests = self._simulated.counts()["requests"]
        dropped = requests["dropped_before_reading"] + requests["dropped_after_accepting"]
        ended = sum(requests["statuses"].values()) + dropped + requests["broken_off_by_client"]
        return requests["requests"] - ended

    def lost_answers(self) -> int:
        """Requests whose sender was left in doubt, whether they were accepted or not."""
        requests = self._simulated.counts()["requests"]
        return requests["dropped_after_accepting"] + requests["dropped_before_reading"]

    def distinct(self) -> int:
        """How many message ids were ever accepted."""
        return self._simulated.counts()["messages"]["distinct"]

    def key_conflicts(self) -> int:
        """Requests whose Idempotency-Key had come before with other bytes."""
        return self._simulated.counts()["requests"]["idempotency_conflicts"]

    async def idle(self) -> None:
        """Returns once nothing is accepted any more, also of requests whose sender is dead."""
        await eventually(lambda: self.in_flight() == 0, _IDLE_SECONDS)

    async def times_accepted(self, ids: Sequence[str]) -> list[int]:
        times: list[int] = []
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = list(ids[start : start + _IDS_AT_ONCE])
            url = f"{self.url}/_simulator/messages"
            async with self._session.post(url, json=some) as answer:
                times += (await answer.json())["accepted"]
        return times


@asynccontextmanager
async def esp_for(plan: Plan) -> AsyncIterator[Esp]:
    async with (
        SimulatedEsp(EspSettings(keep=0), plan.behaviour()) as simulated,
        aiohttp.ClientSession() as session,
    ):
        yield Esp(simulated, session)
