"""What every WorkQueue must do when a worker is gone."""

import asyncio
from dataclasses import replace

import pytest

from domain.callback import CallbackType
from domain.campaign import CampaignState, DeliveryGuarantee
from domain.errors import TryLater
from domain.message import MessageState
from tests.contracts.bench import QUEUED, Bench, posting
from tests.contracts.ports import SqlPorts

UNKNOWN = MessageState.UNKNOWN


async def test_what_was_only_claimed_is_ready_again_when_the_lease_is_over(bench: Bench) -> None:
    number = await bench.campaign(1)
    await bench.claim("gone")
    assert await bench.ports.queue.recover() == 0
    assert await bench.worker_dies() == 1
    assert len(await bench.claim()) == 1
    assert await bench.counts(number) == {QUEUED: 1}


async def test_a_renewed_lease_is_not_taken_back_and_others_are(bench: Bench) -> None:
    await bench.campaign(1001)
    await bench.claim("alive")
    (claim,) = await bench.claim("gone")
    bench.ports.clock.advance(9)
    await bench.ports.queue.renew("alive", lease_seconds=10.0)
    bench.ports.clock.advance(9)
    assert await bench.ports.queue.recover() == 1
    (again,) = await bench.claim(limit=2)
    assert again.chunk.number == claim.chunk.number


async def test_of_ten_that_take_chunks_back_at_once_each_chunk_is_counted_once(
    bench: Bench,
) -> None:
    number = await bench.campaign(2001)
    for claim in await bench.claim("gone", limit=3):
        step, _ = posting(claim, claim.chunk.first)
        await bench.record(step)
    bench.ports.clock.advance(11)
    taken = await asyncio.gather(*(bench.ports.queue.recover() for _ in range(10)))
    assert sum(taken) == 3
    assert await bench.counts(number) == {UNKNOWN: 3, QUEUED: 1998}


async def test_taking_back_can_be_interrupted_and_goes_on(sql_ports: SqlPorts) -> None:
    """Over SQL alone: there it is a transaction for each chunk, in memory one step for all."""
    bench = await Bench.on(sql_ports)
    number = await bench.campaign(2001)
    await bench.claim("gone", limit=3)
    bench.ports.clock.advance(11)
    sql_ports.database.allowed = sql_ports.database.commits + 1
    with pytest.raises(TryLater):
        await bench.ports.queue.recover()
    bench.ports.be_busy(False)
    assert await bench.ports.queue.recover() == 2
    assert len(await bench.claim(limit=9)) == 3
    assert await bench.counts(number) == {QUEUED: 2001}


async def test_at_most_once_makes_what_was_in_flight_unknown_and_ends_the_campaign(
    bench: Bench,
) -> None:
    number = await bench.lost(2)
    assert await bench.counts(number) == {UNKNOWN: 2}
    assert await bench.state(number) is CampaignState.COMPLETED
    rows, _ = await bench.ports.campaigns.messages(number, after=-1, limit=10)
    assert {row.reason for row in rows} == {"ANSWER_LOST"}


async def test_at_least_once_gives_what_was_in_flight_to_the_next_worker_as_it_was(
    bench: Bench,
) -> None:
    number = await bench.campaign(3, guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    (claim,) = await bench.claim("gone")
    step, request = posting(claim, 0, 2)
    await bench.record(step)
    await bench.worker_dies()
    (again,) = await bench.claim("next")
    (kept,) = again.chunk.requests
    assert kept == replace(request, posting=False, doubtful=True)
    assert await bench.counts(number) == {QUEUED: 3}


async def test_a_callback_stays_though_the_worker_that_posted_is_gone(bench: Bench) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim("gone")
    step, _ = posting(claim, 0, 1)
    await bench.record(step)
    await bench.say(number, 1, CallbackType.HARD_BOUNCE)
    await bench.fold()
    await bench.worker_dies()
    assert await bench.counts(number) == {UNKNOWN: 1, MessageState.HARD_BOUNCED: 1}
