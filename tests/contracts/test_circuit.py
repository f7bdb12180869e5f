"""What every adapter must make of a provider that fails: its circuit opens, and closes again."""

from dataclasses import dataclass, replace

import pytest

from domain.campaign import DeliveryGuarantee
from domain.chunk import Change, OpenRequest
from domain.circuit import CLOSED, FAILURES_TO_OPEN, FIRST_WAIT, Circuit, CircuitState
from services.ports import Claim, Move, Recorded, Step
from tests.contracts.bench import QUEUED, SENDING, Bench, accepted, posting
from tests.domain.provider_samples import POST

DOWN = "the ESP answered 503"


def failing(step: Step, request: OpenRequest, reason: str = DOWN) -> Step:
    """The step that ends an attempt which failed: its messages wait for another."""
    later = replace(request, posting=False)
    return Step(
        key=step.key,
        change=Change(dropped=(request,), formed=(later,)),
        health=reason,
        moves=(Move(request.ordinals, SENDING, QUEUED),),
    )


@dataclass(slots=True)
class Ailing:
    """A worker whose messages fail, one after the other."""

    bench: Bench
    claim: Claim

    async def fail(self, *ordinals: int) -> list[Recorded]:
        """What became of the intents for these, of which those that were stored have failed."""
        results = []
        for ordinal in ordinals:
            step, request = posting(self.claim, ordinal)
            (recorded,) = await self.bench.ports.queue.record([step])
            results.append(recorded)
            if recorded is Recorded.STORED:
                assert await self.bench.record(failing(step, request)) == [True]
        return results

    async def begin(self, *ordinals: int) -> tuple[Recorded, Step, OpenRequest]:
        step, request = posting(self.claim, *ordinals)
        (recorded,) = await self.bench.ports.queue.record([step])
        return recorded, step, request

    async def circuit(self) -> Circuit:
        return (await self.bench.ports.providers.get("acme")).circuit

    async def state(self) -> CircuitState:
        return (await self.circuit()).state(self.bench.ports.clock.now())

    async def reserve(self) -> float | None:
        provider_id = self.bench.provider.provider_id
        return await self.bench.ports.limiter.reserve(provider_id, requests=1, messages=1)


@pytest.fixture
async def ailing(bench: Bench) -> Ailing:
    await bench.campaign(100)
    (claim,) = await bench.claim()
    return Ailing(bench, claim)


@pytest.fixture
async def opened(ailing: Ailing) -> Ailing:
    await ailing.fail(*range(FAILURES_TO_OPEN))
    return ailing


async def test_a_new_provider_has_a_closed_circuit(ailing: Ailing) -> None:
    assert await ailing.circuit() == CLOSED


async def test_failures_are_counted_with_the_last_reason(ailing: Ailing) -> None:
    await ailing.fail(0, 1, 2)
    assert await ailing.circuit() == Circuit(failures=3, reason=DOWN)


async def test_several_failures_of_one_transaction_are_all_counted(ailing: Ailing) -> None:
    steps: list[Step] = []
    for ordinal in range(FAILURES_TO_OPEN):
        step, request = posting(ailing.claim, ordinal)
        steps += [step, failing(step, request)]
    assert await ailing.bench.record(*steps) == [True] * len(steps)
    assert await ailing.state() is CircuitState.OPEN


async def test_a_success_forgets_the_failures_before_it(ailing: Ailing) -> None:
    await ailing.fail(*range(FAILURES_TO_OPEN - 1))
    _, step, request = await ailing.begin(50)
    ended = replace(accepted(step, request), health="")
    await ailing.bench.record(replace(ended, change=replace(ended.change, released=False)))
    assert await ailing.circuit() == CLOSED
    await ailing.fail(*range(FAILURES_TO_OPEN - 1))
    assert await ailing.state() is CircuitState.CLOSED


async def test_a_step_that_says_nothing_of_the_provider_changes_nothing(opened: Ailing) -> None:
    before = await opened.circuit()
    await opened.bench.record(Step(key=opened.claim.chunk.key, change=Change(released=True)))
    assert await opened.circuit() == before


async def test_while_it_is_open_nothing_is_begun_nothing_claimed_and_no_slot_given(
    opened: Ailing,
) -> None:
    assert await opened.state() is CircuitState.OPEN
    opened.bench.ports.clock.advance(1)
    number = await opened.bench.campaign(1)
    assert (await opened.begin(60))[0] is Recorded.REFUSED
    assert await opened.bench.claim("other") == []
    assert await opened.reserve() is None
    assert await opened.bench.counts(number) == {QUEUED: 1}


async def test_a_provider_that_works_is_not_held_up_by_one_that_does_not(opened: Ailing) -> None:
    ports = opened.bench.ports
    other, _ = await ports.providers.configure("other", lambda _: replace(POST, nickname="other"))
    opened.bench.provider = other
    number = await opened.bench.campaign(1)
    (claim,) = await opened.bench.claim("other")
    assert claim.chunk.campaign_number == number
    step, _ = posting(claim, 0)
    assert await opened.bench.record(step) == [True]


async def test_after_its_wait_one_request_at_a_time_probes_it(opened: Ailing) -> None:
    opened.bench.ports.clock.advance(FIRST_WAIT + 1)
    assert await opened.state() is CircuitState.PROBING
    await opened.bench.campaign(1)
    assert await opened.reserve() == 0.0
    (other,) = await opened.bench.claim("other")
    recorded, step, request = await opened.begin(60)
    assert recorded is Recorded.STORED
    second, _ = posting(other, 0)
    assert list(await opened.bench.ports.queue.record([second])) == [Recorded.FULL]
    assert (await opened.begin(61))[0] is Recorded.FULL
    # The probe has an answer, and all go again.
    change = Change(dropped=(request,), settled=request.ordinals)
    ended = replace(accepted(step, request), health="", change=change)
    assert await opened.bench.record(ended, second) == [True, True]
    assert await opened.circuit() == CLOSED
    assert (await opened.begin(61))[0] is Recorded.STORED


async def test_two_requests_of_one_step_are_more_than_a_probe(opened: Ailing) -> None:
    opened.bench.ports.clock.advance(FIRST_WAIT + 1)
    first, _ = posting(opened.claim, 60)
    second, _ = posting(opened.claim, 61)
    both = (*first.change.formed, *second.change.formed)
    step = replace(first, change=Change(formed=both), moves=(*first.moves, *second.moves))
    assert list(await opened.bench.ports.queue.record([step])) == [Recorded.FULL]


async def test_a_probe_that_fails_opens_it_again_for_longer(opened: Ailing) -> None:
    opened.bench.ports.clock.advance(FIRST_WAIT)
    assert await opened.fail(60) == [Recorded.STORED]
    circuit, now = await opened.circuit(), opened.bench.ports.clock.now()
    assert (circuit.state(now), circuit.opened) == (CircuitState.OPEN, 2)
    assert circuit.open_until == now + 2 * FIRST_WAIT


async def test_what_was_in_flight_when_it_opened_ends_as_it_ends(ailing: Ailing) -> None:
    _, step, request = await ailing.begin(60)
    await ailing.fail(*range(FAILURES_TO_OPEN))
    assert await ailing.state() is CircuitState.OPEN
    change = Change(dropped=(request,), settled=request.ordinals)
    ended = replace(accepted(step, request), health="", change=change)
    assert await ailing.bench.record(ended) == [True]
    assert await ailing.circuit() == CLOSED


async def test_the_probe_of_a_worker_that_died_holds_no_other_up(opened: Ailing) -> None:
    opened.bench.ports.clock.advance(FIRST_WAIT)
    assert (await opened.begin(60))[0] is Recorded.STORED
    await opened.bench.worker_dies()
    (claim,) = await opened.bench.claim("next")
    opened.claim = claim
    assert (await opened.begin(61))[0] is Recorded.STORED


async def test_a_failure_that_comes_too_late_does_not_count(bench: Bench) -> None:
    await bench.campaign(3, guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    (claim,) = await bench.claim("gone")
    step, request = posting(claim, 0)
    await bench.record(step)
    await bench.worker_dies()
    assert await bench.record(failing(step, request)) == [False]
    assert (await bench.ports.providers.get("acme")).circuit == CLOSED


async def test_what_cannot_be_stored_teaches_nothing(ailing: Ailing) -> None:
    _, step, request = await ailing.begin(0)
    ailing.bench.ports.be_busy(True)
    with pytest.raises(Exception, match="busy"):
        await ailing.bench.record(failing(step, request))
    ailing.bench.ports.be_busy(False)
    assert await ailing.circuit() == CLOSED


async def test_a_changed_configuration_does_not_close_it(opened: Ailing) -> None:
    await opened.bench.ports.providers.configure("acme", lambda _: POST)
    assert await opened.state() is CircuitState.OPEN
    (listed,) = await opened.bench.ports.providers.list(after="", limit=9)
    assert listed.circuit == await opened.circuit()
