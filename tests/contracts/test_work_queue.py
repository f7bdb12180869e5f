"""What every WorkQueue must do when a worker asks for something to send."""

import asyncio
from functools import partial

import pytest

from domain.callback import CallbackType
from domain.campaign import CampaignState, DeliveryGuarantee
from domain.chunk import Change, ChunkState, OpenRequest
from services.ports import Step
from tests.contracts.bench import Bench


async def test_an_empty_queue_gives_no_claim(bench: Bench) -> None:
    assert await bench.claim() == []


async def test_a_claim_brings_all_that_is_needed_to_send(bench: Bench) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    assert (claim.chunk.campaign_number, claim.chunk.epoch) == (number, 1)
    assert claim.chunk.state is ChunkState.CLAIMED
    assert [person.email for person in claim.recipients] == ["p0@example.com", "p1@example.com"]
    assert (claim.provider_id, claim.content.subject) == (bench.provider.provider_id, "s")
    assert (claim.guarantee, claim.send_before) == (DeliveryGuarantee.AT_MOST_ONCE, None)


async def test_of_twenty_workers_at_once_one_gets_the_chunk(bench: Bench) -> None:
    await bench.campaign()
    claims = await asyncio.gather(*(bench.claim(f"w{i}") for i in range(20)))
    assert sum(map(len, claims)) == 1


async def test_workers_at_once_share_the_chunks_of_a_campaign(bench: Bench) -> None:
    await bench.campaign(5000)
    claims = await asyncio.gather(*(bench.claim(f"w{i}", limit=2) for i in range(4)))
    assert sorted(c.chunk.number for some in claims for c in some) == [0, 1, 2, 3, 4]


async def test_a_paused_campaign_is_passed_over_until_it_goes_on(bench: Bench) -> None:
    number = await bench.campaign()
    await bench.put(number, CampaignState.PAUSED)
    assert await bench.claim() == []
    await bench.put(number, CampaignState.SENDING)
    assert len(await bench.claim()) == 1


async def test_a_paused_provider_is_passed_over_until_its_time(bench: Bench) -> None:
    await bench.campaign()
    until = bench.ports.clock.now() + 5
    await bench.ports.providers.pause(bench.provider.provider_id, until=until, reason="busy")
    assert await bench.claim() == []
    bench.ports.clock.advance(5)
    assert len(await bench.claim()) == 1


async def test_a_small_campaign_goes_before_a_large_one(bench: Bench) -> None:
    await bench.campaign(3000)
    small = await bench.campaign(1)
    (claim,) = await bench.claim()
    assert claim.chunk.campaign_number == small


async def test_campaigns_of_one_size_take_turns(bench: Bench) -> None:
    first, second = await bench.campaign(3000), await bench.campaign(3000)
    numbers = [claim.chunk.campaign_number for claim in await bench.claim(limit=4)]
    assert numbers == [first, second, first, second]


async def test_a_chunk_waits_for_the_time_of_its_first_repeat(bench: Bench) -> None:
    await bench.campaign(1)
    (claim,) = await bench.claim()
    at = bench.ports.clock.now() + 30
    later = OpenRequest(ordinals=(0,), provider_version=1, not_before=at)
    change = Change(formed=(later,), released=True)
    assert await bench.record(Step(key=claim.chunk.key, change=change)) == [True]
    assert await bench.claim() == []
    bench.ports.clock.advance(31)
    (again,) = await bench.claim()
    assert again.chunk.requests == (later,)


async def test_a_claim_names_the_open_messages_that_a_callback_has_settled(bench: Bench) -> None:
    number = await bench.campaign(2)
    await bench.say(number, 1, CallbackType.DELIVERED)
    await bench.fold()
    (claim,) = await bench.claim()
    assert claim.settled == {1}


async def test_a_worker_that_is_full_can_ask_for_small_campaigns_alone(bench: Bench) -> None:
    await bench.campaign(101)
    queue = bench.ports.queue
    assert await queue.claim("w", limit=1, lease_seconds=60.0, small_only=True) == []
    small = await bench.campaign(100)
    (claim,) = await queue.claim("w", limit=2, lease_seconds=60.0, small_only=True)
    assert claim.chunk.campaign_number == small


async def test_large_campaigns_of_busy_providers_are_passed_over(bench: Bench) -> None:
    busy = bench.provider.provider_id
    await bench.campaign(101)
    claim = partial(bench.ports.queue.claim, "w", limit=1, lease_seconds=60.0)
    assert await claim(busy=[busy]) == []
    small = await bench.campaign(1)
    assert [one.chunk.campaign_number for one in await claim(busy=[busy])] == [small]
    assert len(await claim(busy=[busy + 1])) == 1


async def test_a_scheduled_campaign_starts_when_its_time_has_come(bench: Bench) -> None:
    number = await bench.campaign(1, send_at=bench.ports.clock.now() + 60)
    assert await bench.ports.queue.start_due() == 0
    assert await bench.claim() == []
    bench.ports.clock.advance(61)
    assert await bench.ports.queue.start_due() == 1
    campaign = await bench.ports.campaigns.get(number)
    assert campaign.state is CampaignState.SENDING
    assert campaign.started_at == bench.ports.clock.now()
    assert len(await bench.claim()) == 1
    assert await bench.ports.queue.start_due() == 0


@pytest.mark.parametrize("people", [0, 1])
async def test_waiting_ends_at_the_latest_when_the_time_is_over(bench: Bench, people: int) -> None:
    for _ in range(people):
        await bench.campaign(1)
    await bench.ports.queue.wait(timeout_seconds=0.01)
    assert len(await bench.claim()) == people
