"""The short chaos run; `make chaos` is the long one."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.plan import Mode, Plan
from tests.chaos.round import Result, run_round
from tests.chaos.service import Victim

PLANS = [
    Plan(mode=mode, batch=batch, messages=800, seconds=5.0, seed=3, patience_seconds=90.0)
    for mode, batch in [
        (Mode.AT_MOST_ONCE, 1),
        (Mode.AT_LEAST_ONCE, 100),
        (Mode.IDEMPOTENT, 1),
    ]
]


# Three services start again and again, on whatever is left of the machine.
@pytest.mark.timeout(300)
async def test_no_message_is_lost_or_doubled_whatever_is_killed(tmp_path: Path) -> None:
    async def run(plan: Plan) -> Result:
        folder = tmp_path / plan.mode
        folder.mkdir()
        return await run_round(plan, folder)

    # Side by side: most of the time each waits until the leases of the dead are over.
    results = await asyncio.gather(*map(run, PLANS))
    assert {result.plan.name: result.broken for result in results} == {
        plan.name: [] for plan in PLANS
    }
    for result in results:
        assert len(result.account.messages) == 800
        assert result.account.kills[Victim.EVERYTHING] >= 1
