"""What a WorkQueue must do, over the SQL adapter on a SQLite file."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from adapters.sql import schema
from adapters.sql.campaigns import SqlCampaignRepository
from adapters.sql.database import Database, create_schema
from adapters.sql.work_queue import SqlWorkQueue
from domain.campaign import CampaignSpec, CampaignState, Content, DeliveryGuarantee, Recipient
from domain.chunk import CHUNK_SIZE, ChunkState, OpenRequest
from domain.errors import NotPossibleNow
from domain.events import EntryKind, LogEntry
from domain.message import MessageState
from services.ports import Claim, Move, Step
from tests.fakes.clock import FakeClock

QUEUED, SENDING, ACCEPTED = MessageState.QUEUED, MessageState.SENDING, MessageState.ACCEPTED


class Bench:
    """A queue with a provider and the repository that fills it."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock()
        self.database = Database(f"sqlite+aiosqlite:///{path}", clock=self.clock)
        self.queue = SqlWorkQueue(self.database)
        self.campaigns = SqlCampaignRepository(self.database)
        self._sends = 0

    async def open(self) -> None:
        await create_schema(self.database)
        async with self.database.writing() as connection:
            row = {"id": 1, "nickname": "acme", "nickname_key": "acme", "callback_token": "t"}
            times = {"version": 1, "created_at": 0.0, "updated_at": 0.0}
            await connection.execute(insert(schema.providers).values({**row, **times}))

    async def campaign(
        self,
        people: int = 3,
        *,
        guarantee: DeliveryGuarantee = DeliveryGuarantee.AT_MOST_ONCE,
        send_at: float | None = None,
    ) -> int:
        self._sends += 1
        spec = CampaignSpec(
            request_id=f"r-{self._sends}",
            provider="acme",
            content=Content(subject="s"),
            guarantee=guarantee,
            send_at=send_at,
        )
        number = await self.campaigns.begin(spec, 1)
        everyone = [Recipient(f"p{i}@example.com") for i in range(people)]
        for chunk, first in enumerate(range(0, people, CHUNK_SIZE)):
            await self.campaigns.stage(number, chunk, everyone[first : first + CHUNK_SIZE])
        await self.campaigns.accept(number, fingerprint=b"f")
        return number

    async def claim(self, worker: str = "w", limit: int = 1) -> list[Claim]:
        return list(await self.queue.claim(worker, limit=limit, lease_seconds=10.0))

    async def counts(self, number: int) -> dict[MessageState, int]:
        counts = (await self.campaigns.get(number)).counts
        return {state: n for state, n in counts.items() if n}

    async def state(self, number: int) -> CampaignState:
        return (await self.campaigns.get(number)).state

    async def pause(self, number: int) -> None:
        await self.campaigns.change_state(number, lambda _: (CampaignState.PAUSED, "by a test"))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "queue.db")
    await made.open()
    yield made
    await made.database.close()


def posting(claim: Claim, *ordinals: int) -> tuple[Step, OpenRequest]:
    """The step that makes the intent for these messages durable."""
    request = OpenRequest(ordinals=ordinals, provider_version=1, posting=True, attempts=1)
    move = Move(ordinals, QUEUED, SENDING)
    return Step(chunk=claim.chunk.post(request), moves=(move,)), request


def accepted(step: Step, request: OpenRequest) -> Step:
    """The step that ends a request which the ESP took, and lets go of the chunk."""
    ordinals = request.ordinals
    entry = LogEntry(
        kind=EntryKind.SENT,
        provider="acme",
        number=step.chunk.campaign_number,
        ordinals=ordinals,
        occurred_at=1.0,
        received_at=1.0,
    )
    chunk = step.chunk.settle(ordinals, request=request).release()
    return Step(chunk=chunk, moves=(Move(ordinals, SENDING, ACCEPTED),), entries=(entry,))


async def test_an_empty_queue_gives_no_claim(bench: Bench) -> None:
    assert await bench.claim() == []


async def test_a_claim_brings_all_that_is_needed_to_send(bench: Bench) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    assert (claim.chunk.campaign_number, claim.chunk.epoch) == (number, 1)
    assert claim.chunk.state is ChunkState.CLAIMED
    assert [person.email for person in claim.recipients] == ["p0@example.com", "p1@example.com"]
    assert (claim.provider_id, claim.content.subject) == (1, "s")


async def test_of_twenty_workers_at_once_one_gets_the_chunk(bench: Bench) -> None:
    await bench.campaign()
    claims = await asyncio.gather(*(bench.claim(f"w{i}") for i in range(20)))
    assert sum(map(len, claims)) == 1


async def test_a_sent_chunk_ends_its_campaign_with_exact_counts(bench: Bench) -> None:
    number = await bench.campaign(3)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1, 2)
    assert await bench.queue.record([step]) == [True]
    assert await bench.counts(number) == {SENDING: 3}
    assert await bench.queue.record([accepted(step, request)]) == [True]
    assert await bench.counts(number) == {ACCEPTED: 3}
    assert await bench.state(number) is CampaignState.COMPLETED


async def test_several_steps_of_one_chunk_share_a_transaction_in_their_order(
    bench: Bench,
) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    assert await bench.queue.record([step, accepted(step, request)]) == [True, True]
    assert await bench.counts(number) == {ACCEPTED: 2}


async def test_positions_of_log_entries_follow_one_another(bench: Bench) -> None:
    await bench.campaign(1)
    await bench.campaign(1)
    for claim in await bench.claim(limit=2):
        step, request = posting(claim, 0)
        await bench.queue.record([step, accepted(step, request)])
    async with bench.database.reading() as connection:
        found = await connection.execute(select(schema.events.c.position, schema.events.c.kind))
        assert [tuple(row) for row in found] == [(1, "SENT"), (2, "SENT")]


async def test_a_step_of_an_earlier_epoch_comes_too_late(bench: Bench) -> None:
    number = await bench.campaign(1)
    (old,) = await bench.claim("gone")
    bench.clock.advance(11)
    await bench.queue.recover()
    (new,) = await bench.claim("next")
    assert new.chunk.epoch > old.chunk.epoch
    late, _ = posting(old, 0)
    good, _ = posting(new, 0)
    assert await bench.queue.record([late, good]) == [False, True]
    assert await bench.counts(number) == {SENDING: 1}


async def test_nothing_new_is_posted_for_a_campaign_that_is_paused(bench: Bench) -> None:
    number = await bench.campaign(1)
    (claim,) = await bench.claim()
    await bench.pause(number)
    step, _ = posting(claim, 0)
    assert await bench.queue.record([step]) == [False]
    assert await bench.counts(number) == {QUEUED: 1}


async def test_the_outcome_of_what_was_in_flight_is_kept_though_the_campaign_was_paused(
    bench: Bench,
) -> None:
    number = await bench.campaign(1)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0)
    await bench.queue.record([step])
    await bench.pause(number)
    assert await bench.queue.record([accepted(step, request)]) == [True]
    assert await bench.counts(number) == {ACCEPTED: 1}


async def test_a_paused_campaign_and_a_paused_provider_are_passed_over(bench: Bench) -> None:
    number = await bench.campaign()
    await bench.pause(number)
    assert await bench.claim() == []
    await bench.campaign()
    async with bench.database.writing() as connection:
        until = bench.clock.now() + 5
        await connection.execute(schema.providers.update().values(paused_until=until))
    assert await bench.claim() == []
    bench.clock.advance(6)
    assert len(await bench.claim(limit=5)) == 1


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
    later = OpenRequest(ordinals=(0,), provider_version=1, not_before=bench.clock.now() + 30)
    chunk = claim.chunk.post(later).release()
    assert await bench.queue.record([Step(chunk=chunk)]) == [True]
    assert await bench.claim() == []
    bench.clock.advance(31)
    (again,) = await bench.claim()
    assert again.chunk.requests == (later,)


async def test_what_was_only_claimed_is_ready_again_when_the_lease_is_over(bench: Bench) -> None:
    number = await bench.campaign(1)
    await bench.claim("gone")
    assert await bench.queue.recover() == 0
    bench.clock.advance(11)
    assert await bench.queue.recover() == 1
    assert len(await bench.claim()) == 1
    assert await bench.counts(number) == {QUEUED: 1}


async def test_a_renewed_lease_is_not_taken_back(bench: Bench) -> None:
    await bench.campaign(1)
    await bench.claim("alive")
    bench.clock.advance(9)
    await bench.queue.renew("alive", lease_seconds=10.0)
    bench.clock.advance(9)
    assert await bench.queue.recover() == 0


async def test_at_most_once_makes_what_was_in_flight_unknown_and_ends_the_campaign(
    bench: Bench,
) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim("gone")
    step, _ = posting(claim, 0, 1)
    await bench.queue.record([step])
    bench.clock.advance(11)
    assert await bench.queue.recover() == 1
    assert await bench.counts(number) == {MessageState.UNKNOWN: 2}
    assert await bench.state(number) is CampaignState.COMPLETED
    rows, _ = await bench.campaigns.messages(number, after=-1, limit=10)
    assert {row.reason for row in rows} == {"ANSWER_LOST"}


async def test_at_least_once_gives_what_was_in_flight_to_the_next_worker_as_it_was(
    bench: Bench,
) -> None:
    number = await bench.campaign(3, guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    (claim,) = await bench.claim("gone")
    step, request = posting(claim, 0, 2)
    await bench.queue.record([step])
    bench.clock.advance(11)
    await bench.queue.recover()
    (again,) = await bench.claim("next")
    (kept,) = again.chunk.requests
    assert kept == replace(request, posting=False, doubtful=True)
    assert await bench.counts(number) == {QUEUED: 3}


async def test_a_message_that_a_callback_moved_stays_where_it_put_it(bench: Bench) -> None:
    number = await bench.campaign(2)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    await bench.queue.record([step])
    async with bench.database.writing() as connection:
        row = {"campaign_number": number, "ordinal": 0, "updated_at": 0.0}
        delivered = {**row, "state": MessageState.DELIVERED.code}
        await connection.execute(insert(schema.messages).values(delivered))
        moved = {"sending": schema.chunks.c.sending - 1, "delivered": 1}
        await connection.execute(schema.chunks.update().values(moved))
    await bench.queue.record([accepted(step, request)])
    assert await bench.counts(number) == {ACCEPTED: 1, MessageState.DELIVERED: 1}


async def test_a_claim_names_the_open_messages_that_a_callback_has_settled(bench: Bench) -> None:
    number = await bench.campaign(2)
    async with bench.database.writing() as connection:
        row = {"campaign_number": number, "ordinal": 1, "updated_at": 0.0}
        state = MessageState.DELIVERED.code
        await connection.execute(insert(schema.messages).values({**row, "state": state}))
    (claim,) = await bench.claim()
    assert claim.settled == {1}


async def test_a_scheduled_campaign_starts_when_its_time_has_come(bench: Bench) -> None:
    number = await bench.campaign(1, send_at=bench.clock.now() + 60)
    assert await bench.queue.start_due() == 0
    assert await bench.claim() == []
    bench.clock.advance(61)
    assert await bench.queue.start_due() == 1
    assert await bench.state(number) is CampaignState.SENDING
    assert len(await bench.claim()) == 1


async def test_a_request_that_comes_back_after_a_cancel_is_not_sent_again(bench: Bench) -> None:
    number = await bench.campaign(3)
    (claim,) = await bench.claim()
    step, request = posting(claim, 0, 1)
    await bench.queue.record([step])
    await bench.campaigns.change_state(number, lambda _: (CampaignState.CANCELLED, "by a test"))
    assert await bench.counts(number) == {SENDING: 2, MessageState.CANCELLED: 1}
    again = replace(request, posting=False)
    back = Step(chunk=step.chunk.keep(request, (again,)), moves=(Move((0, 1), SENDING, QUEUED),))
    assert await bench.queue.record([back, Step(chunk=back.chunk.release())]) == [True, True]
    assert await bench.counts(number) == {MessageState.CANCELLED: 3}
    assert await bench.claim() == []


async def lost(bench: Bench, people: int) -> int:
    """A campaign whose worker died before it knew what the ESP did."""
    number = await bench.campaign(people)
    (claim,) = await bench.claim("gone")
    step, _ = posting(claim, *range(people))
    await bench.queue.record([step])
    bench.clock.advance(11)
    await bench.queue.recover()
    return number


async def test_unknown_messages_that_are_resent_are_claimed_again(bench: Bench) -> None:
    number = await lost(bench, 3)
    assert await bench.campaigns.resolve_unknown(number, resend=True, ordinals=[0, 2]) == (2, 0)
    assert await bench.state(number) is CampaignState.SENDING
    assert await bench.counts(number) == {QUEUED: 2, MessageState.UNKNOWN: 1}
    (claim,) = await bench.claim()
    assert list(claim.chunk.unformed_ordinals()) == [0, 2]
    step, request = posting(claim, 0, 2)
    await bench.queue.record([step, accepted(step, request)])
    assert await bench.counts(number) == {ACCEPTED: 2, MessageState.UNKNOWN: 1}
    assert await bench.state(number) is CampaignState.COMPLETED


async def test_unknown_messages_that_are_given_up_are_cancelled_and_say_so(bench: Bench) -> None:
    number = await lost(bench, 2)
    assert await bench.campaigns.resolve_unknown(number, resend=False) == (2, 0)
    assert await bench.counts(number) == {MessageState.CANCELLED: 2}
    rows, _ = await bench.campaigns.messages(number, after=-1, limit=10)
    assert {row.reason for row in rows} == {"ABANDONED"}


async def test_messages_that_are_not_unknown_are_left_alone_and_counted(bench: Bench) -> None:
    number = await lost(bench, 1)
    assert await bench.campaigns.resolve_unknown(number, resend=False, ordinals=[0, 7]) == (1, 1)


async def test_a_cancelled_campaign_is_not_resent(bench: Bench) -> None:
    number = await lost(bench, 1)
    await bench.campaigns.change_state(number, lambda _: (CampaignState.CANCELLED, "by a test"))
    with pytest.raises(NotPossibleNow):
        await bench.campaigns.resolve_unknown(number, resend=True)


async def test_a_state_that_is_left_as_it_is_keeps_its_reason(bench: Bench) -> None:
    number = await bench.campaign(1)
    await bench.pause(number)
    campaign = await bench.campaigns.change_state(number, lambda _: None)
    assert (campaign.state, campaign.state_reason) == (CampaignState.PAUSED, "by a test")
