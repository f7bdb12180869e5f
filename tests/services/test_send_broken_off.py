"""SendCampaign whose caller is gone, at whatever moment: all of a campaign is there, or nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql import schema
from domain.campaign import CampaignSpec, Content, Recipient
from domain.chunk import CHUNK_SIZE
from services.send_campaign import SendCampaign
from tests.contracts.ports import NOW, Ports, SqlPorts, WatchedDatabase, over_fake, over_sql
from tests.domain.provider_samples import POST
from tests.fakes.address_ledger import FakeAddressLedger
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store

CONTENT = Content(subject="s", from_name="Shop", from_address="s@example.com", html="<p>Hi</p>")
PEOPLE = CHUNK_SIZE + 5
MOST_MOMENTS = 200


class Moments:
    """Cancels `task` at the moment number `at` (from 1), or at all from there on."""

    def __init__(self) -> None:
        self.task: asyncio.Task[object] | None = None
        self.at = self.passed = 0
        self.insists = False

    async def pass_one(self) -> None:
        self.passed += 1
        is_due = self.passed >= self.at if self.insists else self.passed == self.at
        if is_due and self.task is not None:
            self.task.cancel()
        # So that who is cancelled is told here, where it runs in the task itself.
        await asyncio.sleep(0)


class MomentousDatabase(WatchedDatabase):
    """Has moments before each transaction, within it, and once it is durable."""

    moments = Moments()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        await self.moments.pass_one()
        async with super().writing() as connection:
            await self.moments.pass_one()
            yield connection
            await self.moments.pass_one()
        await self.moments.pass_one()


class MomentousStore(Store):
    """Has moments before each transaction, and once it is done."""

    def __init__(self, moments: Moments) -> None:
        super().__init__(FakeClock(NOW))
        self._moments = moments

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        await self._moments.pass_one()
        async with super().transaction():
            yield
        await self._moments.pass_one()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The use case; `left` is how many campaigns were begun and neither accepted nor removed."""

    ports: Ports
    send: SendCampaign
    moments: Moments
    left: Callable[[], Awaitable[int]]

    async def break_off(self, at: int, *, insisting: bool) -> bool:
        """Whether a send to a list that ends well was broken off by being cancelled there."""
        spec = CampaignSpec(request_id=f"r-{at}", provider="acme", content=CONTENT)
        self.moments.at, self.moments.passed, self.moments.insists = at, 0, insisting
        task = self.moments.task = asyncio.create_task(self.send(spec, everyone()))
        await asyncio.wait({task})
        self.moments.task = None
        assert task.cancelled() == (self.moments.passed >= at)
        return task.cancelled()

    async def counts(self) -> set[int]:
        """How many recipients each campaign has that is there."""
        listed = await self.ports.campaigns.list(before=None, limit=MOST_MOMENTS)
        return {campaign.counts.total for campaign in listed}


async def everyone() -> AsyncIterator[Sequence[Recipient]]:
    for first in range(0, PEOPLE, 400):
        numbers = range(first, min(first + 400, PEOPLE))
        # The last address is the first one once more: a refusal is stored, too.
        yield [Recipient(f"p{i % (PEOPLE - 1)}@example.com") for i in numbers]


@pytest.fixture(params=["sql", "fake"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    moments = Moments()
    if request.param == "fake":
        store = MomentousStore(moments)

        async def left_in_memory() -> int:
            return sum(one.fingerprint is None for one in store.campaigns.values())

        yield await _world(over_fake(store), moments, left_in_memory)
        return
    async with over_sql(tmp_path, MomentousDatabase) as ports:
        assert isinstance(ports.database, MomentousDatabase)
        ports.database.moments = moments
        yield await _world(ports, moments, lambda: _staged_rows(ports))


async def _world(ports: Ports, moments: Moments, left: Callable[[], Awaitable[int]]) -> World:
    await ports.providers.configure("acme", lambda _: replace(POST, nickname="acme"))
    send = SendCampaign(
        campaigns=ports.campaigns,
        providers=ports.providers,
        new_ledger=FakeAddressLedger,
        clock=ports.clock,
    )
    return World(ports=ports, send=send, moments=moments, left=left)


async def _staged_rows(ports: SqlPorts) -> int:
    staged = select(func.count()).where(schema.campaigns.c.state == "STAGED")
    async with ports.database.reading() as connection:
        return int((await connection.execute(staged)).scalar_one())


@pytest.mark.parametrize("insisting", [False, True], ids=["once", "again and again"])
async def test_a_caller_that_is_gone_at_any_moment_leaves_nothing_half_stored(
    world: World, insisting: bool
) -> None:
    for at in count(1):
        assert at < MOST_MOMENTS
        broken_off = await world.break_off(at, insisting=insisting)
        assert await world.left() == 0, f"moment {at}"
        assert await world.counts() <= {PEOPLE}, f"moment {at}"
        if not broken_off:
            break
    # It was cancelled at every moment that a send has, and then at none.
    assert at > 8
    assert await world.counts() == {PEOPLE}


async def test_a_provider_is_free_once_the_callers_that_sent_through_it_are_gone(
    world: World,
) -> None:
    sending = [world.break_off(at, insisting=False) for at in (1, 2, 3, 4)]
    assert [await each for each in sending] == [True] * 4
    await world.ports.providers.delete("acme", etag="")
    assert await world.ports.providers.list(after="", limit=1) == []
