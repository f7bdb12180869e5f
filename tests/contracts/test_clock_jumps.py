"""What must become of leases, pauses, slots and retries when the clock of the machine jumps."""

from dataclasses import replace

import pytest

from domain.campaign import DeliveryGuarantee
from domain.chunk import LONGEST_LEASE_SECONDS, Change, ChunkKey, OpenRequest
from domain.circuit import FAILURES_TO_OPEN, CircuitState
from domain.message import MessageState
from domain.provider import Limits
from services.ports import Move, Recorded, Step
from tests.contracts.bench import LEASE, QUEUED, SENDING, Bench, accepted, posting
from tests.contracts.ports import Ports
from tests.domain.provider_samples import POST

HOUR = 3600.0


def kept(key: ChunkKey, request: OpenRequest, later: OpenRequest) -> Step:
    """The step that ends an attempt, lets its messages wait for another, and the chunk go."""
    change = Change(dropped=(request,), formed=(later,), released=True)
    return Step(key=key, change=change, moves=(Move(request.ordinals, SENDING, QUEUED),))


async def test_forward_the_lease_of_a_living_worker_is_over_and_nothing_is_sent_twice(
    bench: Bench,
) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim("alive")
    step, request = posting(claim, 0)
    await bench.record(step)
    bench.ports.clock.advance(HOUR)
    assert await bench.ports.queue.recover() == 1
    (next_claim,) = await bench.claim("next")
    # What is in doubt is not among what the next one sends.
    assert list(next_claim.chunk.unposted_ordinals()) == [1]
    again, of_next = posting(next_claim, 1)
    assert await bench.record(accepted(step, request), again, accepted(again, of_next)) == [
        False,
        True,
        True,
    ]
    assert await bench.counts(number) == {MessageState.UNKNOWN: 1, MessageState.ACCEPTED: 1}


async def test_forward_nothing_is_missing_under_at_least_once(bench: Bench) -> None:
    number = await bench.campaign(2, guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    (claim,) = await bench.claim("alive")
    step, request = posting(claim, 0, 1)
    await bench.record(step)
    bench.ports.clock.advance(HOUR)
    await bench.ports.queue.recover()
    (next_claim,) = await bench.claim("next")
    assert next_claim.chunk.requests == (replace(request, posting=False, doubtful=True),)
    assert await bench.record(accepted(step, request)) == [False]
    assert await bench.counts(number) == {QUEUED: 2}


async def test_back_the_lease_of_a_worker_that_is_gone_ends_soon(bench: Bench) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim("gone")
    step, _ = posting(claim, 0)
    await bench.record(step)
    bench.ports.clock.advance(-HOUR)
    assert await bench.ports.queue.recover() == 0
    bench.ports.clock.advance(LONGEST_LEASE_SECONDS + 1)
    assert await bench.ports.queue.recover() == 1
    assert await bench.counts(number) == {MessageState.UNKNOWN: 1, QUEUED: 1}
    assert len(await bench.claim("next")) == 1


async def test_back_a_living_worker_keeps_its_chunk(bench: Bench) -> None:
    number = await bench.campaign(1)
    (claim,) = await bench.claim("alive")
    step, request = posting(claim, 0)
    await bench.record(step)
    bench.ports.clock.advance(-HOUR)
    # Another worker looks before this one has renewed its lease.
    await bench.ports.queue.recover()
    await bench.ports.queue.renew("alive", lease_seconds=LEASE)
    bench.ports.clock.advance(LEASE - 1)
    assert await bench.ports.queue.recover() == 0
    assert await bench.record(accepted(step, request)) == [True]
    assert await bench.counts(number) == {MessageState.ACCEPTED: 1}


async def test_back_a_retry_does_not_wait_for_the_time_that_was(bench: Bench) -> None:
    await bench.campaign(1)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0)
    not_before = bench.ports.clock.now() + 10
    later = replace(request, posting=False, not_before=not_before)
    await bench.record(step, kept(step.key, request, later))
    await bench.ports.queue.recover()
    assert await bench.claim() == []
    bench.ports.clock.advance(-HOUR)
    await bench.ports.queue.recover()
    (again,) = await bench.claim()
    assert again.chunk.is_due(bench.ports.clock.now())
    assert again.chunk.requests == (later,)


async def test_back_a_pause_is_over_and_a_new_one_holds(bench: Bench) -> None:
    ports, provider_id = bench.ports, bench.provider.provider_id
    await bench.campaign(1)
    await ports.providers.pause(provider_id, until=ports.clock.now() + 30, reason="before")
    assert await bench.claim() == []
    ports.clock.advance(-HOUR)
    assert await ports.limiter.reserve(provider_id, requests=1, messages=1) == 0.0
    until = ports.clock.now() + 20
    await ports.providers.pause(provider_id, until=until, reason="after")
    paused = await ports.providers.get("acme")
    assert (paused.paused_until, paused.pause_reason) == (until, "after")
    assert await bench.claim() == []
    ports.clock.advance(20)
    assert len(await bench.claim()) == 1


async def test_back_a_pause_alone_holds_nobody_up(bench: Bench) -> None:
    await bench.campaign(1)
    until = bench.ports.clock.now() + 30
    await bench.ports.providers.pause(bench.provider.provider_id, until=until, reason="before")
    bench.ports.clock.advance(-HOUR)
    assert len(await bench.claim()) == 1


async def test_back_an_open_circuit_is_probed(bench: Bench) -> None:
    await bench.campaign(FAILURES_TO_OPEN + 2)
    (claim,) = await bench.claim()
    for ordinal in range(FAILURES_TO_OPEN):
        step, request = posting(claim, ordinal)
        failed = kept(step.key, request, replace(request, posting=False))
        failed = replace(failed, change=replace(failed.change, released=False), health="down")
        assert await bench.record(step, failed) == [True, True]
    probe, _ = posting(claim, FAILURES_TO_OPEN)
    other, _ = posting(claim, FAILURES_TO_OPEN + 1)
    assert list(await bench.ports.queue.record([probe])) == [Recorded.REFUSED]
    bench.ports.clock.advance(-HOUR)
    await bench.campaign(1)
    assert len(await bench.claim("other")) == 1
    assert list(await bench.ports.queue.record([probe, other])) == [Recorded.STORED, Recorded.FULL]
    circuit = (await bench.ports.providers.get("acme")).circuit
    assert circuit.state(bench.ports.clock.now()) is CircuitState.PROBING


@pytest.mark.parametrize(
    "limits", [Limits(max_requests_per_second=10), Limits(max_messages_per_second=10)]
)
async def test_back_the_slots_of_a_rate_limit_begin_now(ports: Ports, limits: Limits) -> None:
    config = replace(POST, limits=limits)
    provider, _ = await ports.providers.configure("acme", lambda _: config)

    async def reserve() -> float | None:
        wait = await ports.limiter.reserve(provider.provider_id, requests=1, messages=1)
        return None if wait is None else round(wait, 3)

    assert [await reserve() for _ in range(3)] == [0.0, 0.1, 0.2]
    ports.clock.advance(-HOUR)
    assert [await reserve() for _ in range(3)] == [0.0, 0.1, 0.2]


async def test_back_a_scheduled_campaign_waits_for_its_time_by_the_clock(bench: Bench) -> None:
    start = bench.ports.clock.now() + 10
    await bench.campaign(1, send_at=start)
    bench.ports.clock.advance(-HOUR)
    assert await bench.ports.queue.start_due() == 0
    bench.ports.clock.advance(HOUR + 10)
    assert await bench.ports.queue.start_due() == 1
