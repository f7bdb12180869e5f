"""A worker and a chunk that cannot be sent: the campaign waits, and the others go on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.campaign import CampaignState
from domain.errors import TryLater
from domain.http import TransportBroken
from domain.message import MessageState
from services.dispatcher import Dispatch
from services.ports import Claim
from tests.adapters.fake_transport import FakeTransport
from tests.contracts.bench import Bench
from tests.contracts.ports import NOW, over_fake, over_sql
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store
from tests.services.dispatching import dispatch_over, worker_over
from tests.support import eventually

ADDRESS = "sara@example.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """Sends as `dispatch` does, but for one campaign: its chunks raise `error`."""

    dispatch: Dispatch
    campaign: int
    error: Callable[[], Exception]

    async def __call__(self, claim: Claim, stopping: asyncio.Event) -> None:
        if claim.chunk.campaign_number == self.campaign:
            raise self.error()
        await self.dispatch(claim, stopping)


@pytest.fixture(params=["sql", "fake"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "fake":
        yield await Bench.on(over_fake(Store(FakeClock(NOW))))
        return
    async with over_sql(tmp_path) as ports:
        yield await Bench.on(ports)


async def run_until(
    bench: Bench, dispatch: Dispatch, condition: Callable[[], Awaitable[bool]]
) -> None:
    """Runs a worker until the condition holds, then stops it in order."""
    stopping = asyncio.Event()
    running = asyncio.create_task(worker_over(bench.ports, dispatch).run(stopping))
    await eventually(condition)
    stopping.set()
    await running


async def has_ended(bench: Bench, number: int) -> bool:
    return (await bench.state(number)).ended


def bad_data() -> Exception:
    return KeyError(ADDRESS)


def bad_data_in_a_group() -> Exception:
    busy = TryLater("the database is busy")
    return ExceptionGroup("of a run", [busy, ExceptionGroup("of a flight", [bad_data()])])


@pytest.mark.parametrize("error", [bad_data, bad_data_in_a_group])
async def test_a_chunk_that_ends_its_worker_pauses_its_campaign_and_the_others_go_on(
    bench: Bench, error: Callable[[], Exception]
) -> None:
    faulty, other = await bench.campaign(1), await bench.campaign(1)
    dispatch = Faulty(
        dispatch=dispatch_over(bench.ports, FakeTransport()), campaign=faulty, error=error
    )

    with pytest.raises((KeyError, ExceptionGroup)):
        await worker_over(bench.ports, dispatch).run(asyncio.Event())

    await bench.worker_dies()
    await run_until(bench, dispatch, lambda: has_ended(bench, other))
    campaign = await bench.ports.campaigns.get(faulty)
    assert campaign.state is CampaignState.PAUSED
    assert campaign.state_reason.startswith("a fault of the program stopped chunk 0: KeyError; ")
    assert ADDRESS not in campaign.state_reason
    assert await bench.counts(faulty) == {MessageState.QUEUED: 1}


async def test_a_paused_campaign_goes_on_once_the_fault_is_mended(bench: Bench) -> None:
    number = await bench.campaign(3)
    healthy = dispatch_over(bench.ports, FakeTransport())
    with pytest.raises(KeyError):
        await worker_over(
            bench.ports, Faulty(dispatch=healthy, campaign=number, error=bad_data)
        ).run(asyncio.Event())

    await bench.worker_dies()
    await bench.put(number, CampaignState.SENDING)
    await run_until(bench, healthy, lambda: has_ended(bench, number))

    assert await bench.counts(number) == {MessageState.ACCEPTED: 3}


@pytest.mark.parametrize(
    "error",
    [
        TransportBroken("the transport has failed"),
        ExceptionGroup("", [KeyError("k"), ExceptionGroup("", [TransportBroken("failed")])]),
        TryLater("the database is busy"),
    ],
    ids=["a broken transport", "what comes of a broken transport", "a busy database"],
)
async def test_what_is_no_fault_of_the_chunk_pauses_nothing(bench: Bench, error: Exception) -> None:
    number = await bench.campaign(1)
    dispatch = dispatch_over(bench.ports, FakeTransport())
    faulty = Faulty(dispatch=dispatch, campaign=number, error=lambda: error)

    with pytest.raises(type(error)):
        await worker_over(bench.ports, faulty).run(asyncio.Event())

    assert await bench.state(number) is CampaignState.SENDING


async def test_a_campaign_that_was_cancelled_meanwhile_stays_so(bench: Bench) -> None:
    number = await bench.campaign(1)

    async def cancelled_first(claim: Claim, stopping: asyncio.Event) -> None:
        await bench.put(number, CampaignState.CANCELLED)
        raise bad_data()

    with pytest.raises(KeyError):
        await worker_over(bench.ports, cancelled_first).run(asyncio.Event())

    assert await bench.state(number) is CampaignState.CANCELLED


async def test_a_campaign_is_paused_as_soon_as_the_database_takes_it(bench: Bench) -> None:
    number, is_busy = await bench.campaign(1), asyncio.Event()

    async def busy_first(claim: Claim, stopping: asyncio.Event) -> None:
        bench.ports.be_busy(True)
        is_busy.set()
        raise bad_data()

    running = asyncio.create_task(worker_over(bench.ports, busy_first).run(asyncio.Event()))
    await is_busy.wait()
    bench.ports.be_busy(False)
    with pytest.raises(KeyError):
        await running
    assert await bench.state(number) is CampaignState.PAUSED
