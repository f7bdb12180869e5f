"""What becomes of a chunk whose rows were damaged."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from adapters.sql import schema
from domain.campaign import CampaignState
from tests.contracts.bench import Bench
from tests.contracts.ports import SqlPorts, over_sql


@pytest.fixture
async def ports(tmp_path: Path) -> AsyncIterator[SqlPorts]:
    async with over_sql(tmp_path) as ports:
        yield ports


@pytest.mark.parametrize("body", [b"no zlib", b"x\x9cK\xac\x02\x00\x01\x82\x00\xf3"])
async def test_its_campaign_is_paused_with_the_reason_and_others_are_sent(
    ports: SqlPorts, body: bytes
) -> None:
    bench = await Bench.on(ports)
    damaged, whole = await bench.campaign(), await bench.campaign()
    recipients = schema.recipients
    ruin = update(recipients).where(recipients.c.campaign_number == damaged).values(body=body)
    async with ports.database.writing() as connection:
        kept = (await connection.execute(recipients.select())).first()
        await connection.execute(ruin)

    claims = await bench.claim(limit=2)

    assert [claim.chunk.campaign_number for claim in claims] == [whole]
    campaign = await ports.campaigns.get(damaged)
    assert campaign.state is CampaignState.PAUSED
    assert "chunk 0 cannot be read from the database" in campaign.state_reason
    assert "restore its rows" in campaign.state_reason

    # Once they are back it goes on.
    assert kept is not None
    async with ports.database.writing() as connection:
        await connection.execute(ruin.values(body=kept.body))
    await ports.campaigns.change_state(damaged, lambda _: (CampaignState.SENDING, ""))
    (claim,) = await bench.claim()
    assert claim.chunk.campaign_number == damaged
    assert len(claim.recipients) == 3
