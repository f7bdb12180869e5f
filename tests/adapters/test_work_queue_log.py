"""What an operator reads in the log of what the dispatchers see."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.chunk import Change
from domain.circuit import FAILURES_TO_OPEN, FIRST_WAIT
from services.ports import Move
from tests.contracts.bench import QUEUED, SENDING, Bench, accepted, posting
from tests.contracts.ports import over_sql


@pytest.fixture
async def bench(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Bench]:
    caplog.set_level(logging.INFO)
    async with over_sql(tmp_path) as ports:
        yield await Bench.on(ports)


def told(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    """The facts of each record of this event."""
    return [vars(record) for record in caplog.records if record.getMessage() == event]


async def test_a_campaign_that_is_completed(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    await bench.record(step)
    assert told(caplog, "campaign completed") == []
    await bench.record(accepted(step, request))
    (facts,) = told(caplog, "campaign completed")
    assert facts["campaign"] == number


async def test_a_provider_that_is_left_alone_and_answers_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.campaign(FAILURES_TO_OPEN + 1)
    (claim,) = await bench.claim()
    for ordinal in range(FAILURES_TO_OPEN):
        step, request = posting(claim, ordinal)
        await bench.record(step)
        later = Change(dropped=(request,), formed=(replace(request, posting=False),))
        back = (Move(request.ordinals, SENDING, QUEUED),)
        await bench.record(replace(step, change=later, starts=None, moves=back, health="503"))
    (facts,) = told(caplog, "provider left alone after failures in a row")
    assert (facts["reason"], facts["seconds"]) == ("503", FIRST_WAIT)
    assert told(caplog, "provider answers again") == []

    bench.ports.clock.advance(FIRST_WAIT)
    step, request = posting(claim, FAILURES_TO_OPEN)
    await bench.record(step)
    await bench.record(replace(accepted(step, request), health=""))
    assert len(told(caplog, "provider answers again")) == 1


async def test_a_chunk_that_is_taken_back(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    number = await bench.lost(2)
    (facts,) = told(caplog, "chunk of a worker that is gone taken back")
    assert (facts["campaign"], facts["chunk"], facts["unknown"]) == (number, 0, 2)


async def test_campaigns_whose_time_has_come(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.campaign(1, send_at=bench.ports.clock.now() + 1)
    await bench.ports.queue.start_due()
    assert told(caplog, "scheduled campaigns started") == []
    bench.ports.clock.advance(2)
    await bench.ports.queue.start_due()
    (facts,) = told(caplog, "scheduled campaigns started")
    assert facts["count"] == 1
