"""What every CampaignRepository must do, and what follows from chunks in the one over SQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from adapters.sql import schema
from adapters.sql.campaigns import SqlCampaignRepository
from adapters.sql.chunk_rows import write_requests
from adapters.sql.database import Database
from domain.campaign import CampaignSpec, CampaignState, Content, DeliveryGuarantee, Recipient
from domain.chunk import CHUNK_SIZE, ChunkState, OpenRequest
from domain.errors import AlreadyExists, NotFound, NotPossibleNow, TryLater
from domain.message import Counts, MessageState
from domain.provider import Provider, ProviderConfig, RequestType
from services.ports import CampaignRepository, Refused
from tests.contracts.ports import empty_database
from tests.fakes.campaign_repository import FakeCampaignRepository
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store, StoredProvider

PROVIDER = 7
NOW = 1_750_000_000.0

CONTENT = Content(
    subject="Hello $$name",
    from_name="Shop “Ω”",
    from_address="shop@example.com",
    reply_to="help@example.com",
    cc=("copy@example.com",),
    bcc=("archive@example.com", "audit@example.com"),
    html='<p title="x">Grüße</p>',
    plaintext="Grüße",
    amp_html="<html ⚡4email></html>",
    replacements={"code": "A1", "list": [1, {"deep": None}]},
)
SPEC = CampaignSpec(
    request_id="request-1",
    provider="Mailer",
    content=CONTENT,
    name="Spring",
    guarantee=DeliveryGuarantee.AT_LEAST_ONCE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A repository, and the hands that do what other parts of the service would do."""

    campaigns: CampaignRepository
    clock: FakeClock
    delete_provider: Callable[[], Awaitable[None]]

    async def stage(self, *sizes: int, spec: CampaignSpec = SPEC) -> int:
        number = await self.campaigns.begin(spec, PROVIDER)
        for chunk_number, size in enumerate(sizes):
            await self.campaigns.stage(number, chunk_number, people(size, chunk_number))
        return number

    async def accepted(self, *sizes: int, spec: CampaignSpec = SPEC) -> int:
        number = await self.stage(*sizes, spec=spec)
        await self.campaigns.accept(number, fingerprint=b"same")
        return number

    async def states(self, number: int) -> list[MessageState]:
        rows, _ = await self.campaigns.messages(number, after=-1, limit=10_000)
        return [row.state for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlWorld(World):
    database: Database

    async def set_chunk(self, number: int, chunk_number: int = 0, **values: object) -> None:
        """What a worker would have recorded."""
        this = (schema.chunks.c.campaign_number == number) & (
            schema.chunks.c.number == chunk_number
        )
        async with self.database.writing() as connection:
            await connection.execute(update(schema.chunks).where(this).values(values))


def people(size: int, chunk_number: int = 0) -> Sequence[Recipient]:
    first = chunk_number * CHUNK_SIZE
    return [Recipient(f"p{first + i}@example.com") for i in range(size)]


def posting(*ordinals: int, now: bool = True, doubtful: bool = False) -> str:
    request = OpenRequest(
        ordinals=ordinals,
        provider_version=1,
        attempts=1,
        first_attempt_at=NOW,
        posting=now,
        doubtful=doubtful,
    )
    return write_requests((request,))


@asynccontextmanager
async def over_sql(path: Path) -> AsyncIterator[SqlWorld]:
    clock = FakeClock(NOW)
    database = Database(await empty_database(path), clock=clock)
    row = {
        "id": PROVIDER,
        "nickname": "Mailer",
        "nickname_key": "mailer",
        "callback_token": "token",
        "version": 1,
        "created_at": NOW,
        "updated_at": NOW,
    }
    async with database.writing() as connection:
        await connection.execute(insert(schema.providers).values(row))

    async def delete_provider() -> None:
        async with database.writing() as connection:
            await connection.execute(update(schema.providers).values(nickname_key=None))

    repository = SqlCampaignRepository(database)
    yield SqlWorld(
        campaigns=repository, clock=clock, delete_provider=delete_provider, database=database
    )
    await database.close()


def over_fake() -> World:
    store = Store(FakeClock(NOW))
    config = ProviderConfig(
        nickname="Mailer", request_type=RequestType.POST, http_endpoint="https://e.example.com"
    )
    provider = Provider(
        provider_id=PROVIDER,
        version=1,
        config=config,
        callback_token="token",
        created_at=NOW,
        updated_at=NOW,
    )
    store.providers[PROVIDER] = StoredProvider(provider=provider, versions={1: config})

    async def delete_provider() -> None:
        store.providers[PROVIDER].deleted = True

    repository = FakeCampaignRepository(store)
    return World(campaigns=repository, clock=store.clock, delete_provider=delete_provider)


@pytest.fixture(params=["sql", "fake"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "fake":
        yield over_fake()
        return
    async with over_sql(tmp_path) as world:
        yield world


@pytest.fixture
async def sql_world(tmp_path: Path) -> AsyncIterator[SqlWorld]:
    """For what SQL alone has: chunks that speak for their messages, set by hand to what is read."""
    async with over_sql(tmp_path) as world:
        yield world


async def test_a_campaign_is_read_as_it_was_given(world: World) -> None:
    number = await world.stage(3)

    assert await world.campaigns.accept(number, fingerprint=b"print") == (number, True)

    campaign = await world.campaigns.get(number)
    assert campaign.spec == SPEC
    assert (campaign.provider_id, campaign.provider) == (PROVIDER, "Mailer")
    assert (campaign.state, campaign.state_reason) == (CampaignState.SENDING, "")
    assert campaign.counts == Counts.of({MessageState.QUEUED: 3})
    assert (campaign.created_at, campaign.started_at, campaign.ended_at) == (NOW, NOW, None)


async def test_numbers_start_at_one_and_are_never_used_twice(world: World) -> None:
    first = await world.stage(1)
    await world.campaigns.discard(first)

    second = await world.stage(1)

    assert (first, second) == (1, 2)


async def test_before_acceptance_nobody_sees_a_campaign(world: World) -> None:
    number = await world.stage(2)

    assert await world.campaigns.by_request("request-1") is None
    assert await world.campaigns.list(before=None, limit=10) == []
    with pytest.raises(NotFound):
        await world.campaigns.get(number)
    with pytest.raises(NotFound):
        await world.campaigns.messages(number, after=-1, limit=10)
    with pytest.raises(NotFound):
        await world.campaigns.change_state(number, lambda state: (state, ""))


async def test_recipients_come_back_by_their_ordinals(world: World) -> None:
    number = await world.campaigns.begin(SPEC, PROVIDER)
    strange = Recipient("Zoë@Exämple.com", 'O"Brien\\', {"age": 3, "tags": ["ü", None]})
    await world.campaigns.stage(number, 0, people(CHUNK_SIZE))
    await world.campaigns.stage(number, 1, [Recipient("a@example.com", "A"), strange])
    await world.campaigns.accept(number, fingerprint=b"")

    found = await world.campaigns.recipients(number, [1001, 5, 1000, 4_000])

    assert found == {
        5: Recipient("p5@example.com"),
        1000: Recipient("a@example.com", "A"),
        1001: strange,
    }


async def test_the_same_request_again_is_the_same_campaign_and_leaves_nothing(world: World) -> None:
    first = await world.accepted(2)
    second = await world.stage(2)

    assert await world.campaigns.accept(second, fingerprint=b"same") == (first, False)

    assert await world.campaigns.recipients(second, [0, 1]) == {}
    assert await world.campaigns.sweep(begun_before=NOW + 1) == 0
    assert await world.campaigns.by_request("request-1") == (first, b"same")


async def test_a_request_id_with_other_content_is_refused_and_leaves_nothing(world: World) -> None:
    first = await world.accepted(2)
    second = await world.stage(2)

    with pytest.raises(AlreadyExists):
        await world.campaigns.accept(second, fingerprint=b"other")

    assert await world.campaigns.recipients(second, [0, 1]) == {}
    assert [one.number for one in await world.campaigns.list(before=None, limit=9)] == [first]


async def test_accepting_a_campaign_again_keeps_it(world: World) -> None:
    number = await world.accepted(2)

    assert await world.campaigns.accept(number, fingerprint=b"same") == (number, False)
    assert len(await world.campaigns.recipients(number, [0, 1])) == 2


async def test_of_twenty_acceptances_at_once_exactly_one_is_new(world: World) -> None:
    numbers = [await world.stage(1) for _ in range(20)]

    answers = await asyncio.gather(
        *(world.campaigns.accept(number, fingerprint=b"same") for number in numbers)
    )

    (winner,) = [number for number, new in answers if new]
    assert {number for number, _ in answers} == {winner}
    assert [one.number for one in await world.campaigns.list(before=None, limit=99)] == [winner]
    assert await world.campaigns.sweep(begun_before=NOW + 1) == 0


async def test_a_provider_that_was_deleted_meanwhile_takes_no_campaign(world: World) -> None:
    number = await world.stage(1)
    await world.delete_provider()

    with pytest.raises(NotPossibleNow):
        await world.campaigns.accept(number, fingerprint=b"")

    assert await world.campaigns.by_request("request-1") is None
    with pytest.raises(NotFound):
        await world.campaigns.get(number)


async def test_a_repeat_is_recognised_also_when_the_provider_is_gone(world: World) -> None:
    first = await world.accepted(1)
    second = await world.stage(1)
    await world.delete_provider()

    assert await world.campaigns.accept(second, fingerprint=b"same") == (first, False)


async def test_discard_leaves_an_accepted_campaign_alone(world: World) -> None:
    number = await world.accepted(1)

    await world.campaigns.discard(number)

    assert (await world.campaigns.get(number)).counts.total == 1


async def test_sweep_takes_only_what_is_old_and_was_never_accepted(world: World) -> None:
    old = await world.stage(1)
    kept = await world.accepted(1)
    world.clock.advance(10)
    young = await world.stage(1, spec=replace(SPEC, request_id="request-2"))

    assert await world.campaigns.sweep(begun_before=NOW + 5) == 1

    assert await world.campaigns.recipients(old, [0]) == {}
    assert (await world.campaigns.get(kept)).number == kept
    assert await world.campaigns.accept(young, fingerprint=b"") == (young, True)


async def test_what_was_swept_takes_no_more_recipients_and_is_not_accepted(world: World) -> None:
    number = await world.stage(CHUNK_SIZE)
    await world.campaigns.discard(number)

    with pytest.raises(TryLater):
        await world.campaigns.stage(number, 1, people(1, 1))
    with pytest.raises(TryLater):
        await world.campaigns.accept(number, fingerprint=b"")
    assert await world.campaigns.recipients(number, [1000]) == {}


async def test_refused_messages_are_counted_and_explained(world: World) -> None:
    number = await world.stage(CHUNK_SIZE, 2)
    refused = [
        Refused(ordinal=1001, state=MessageState.DUPLICATE, reason="DUPLICATE", message="of 3"),
        Refused(ordinal=1, state=MessageState.REJECTED, reason="NO_KEY", message="age is missing"),
    ]
    await world.campaigns.refuse(number, refused)
    await world.campaigns.accept(number, fingerprint=b"")

    rows, after = await world.campaigns.messages(
        number, after=-1, limit=9, states=(MessageState.DUPLICATE, MessageState.REJECTED)
    )

    assert after is None
    assert [(row.ordinal, row.state, row.reason, row.detail, row.updated_at) for row in rows] == [
        (1, MessageState.REJECTED, "NO_KEY", "age is missing", NOW),
        (1001, MessageState.DUPLICATE, "DUPLICATE", "of 3", NOW),
    ]
    assert (await world.campaigns.get(number)).counts == Counts.of(
        {MessageState.QUEUED: 1000, MessageState.REJECTED: 1, MessageState.DUPLICATE: 1}
    )


async def test_a_refusal_that_fails_midway_stores_nothing(world: World) -> None:
    number = await world.stage(2)
    known = Refused(ordinal=0, state=MessageState.REJECTED, reason="BAD", message="")

    # There is no such chunk, which shows only after the first message was settled.
    with pytest.raises(ValueError, match="chunk 5 of campaign 1"):
        await world.campaigns.refuse(number, [known, replace(known, ordinal=5000)])

    await world.campaigns.accept(number, fingerprint=b"")
    assert await world.states(number) == [MessageState.QUEUED] * 2
    assert (await world.campaigns.get(number)).counts == Counts.of({MessageState.QUEUED: 2})


async def test_a_campaign_with_nothing_left_to_send_is_completed(world: World) -> None:
    number = await world.stage(1, spec=replace(SPEC, send_at=NOW + 60))
    one = Refused(ordinal=0, state=MessageState.REJECTED, reason="BAD", message="")
    await world.campaigns.refuse(number, [one])

    await world.campaigns.accept(number, fingerprint=b"")

    campaign = await world.campaigns.get(number)
    assert (campaign.state, campaign.ended_at) == (CampaignState.COMPLETED, NOW)


@pytest.mark.parametrize(
    ("send_at", "state", "started_at"),
    [
        (None, CampaignState.SENDING, NOW),
        (NOW, CampaignState.SENDING, NOW),
        (NOW + 1, CampaignState.SCHEDULED, None),
    ],
)
async def test_a_campaign_waits_only_for_a_send_at_that_is_to_come(
    world: World, send_at: float | None, state: CampaignState, started_at: float | None
) -> None:
    number = await world.accepted(1, spec=replace(SPEC, send_at=send_at, send_before=NOW + 99))

    campaign = await world.campaigns.get(number)
    assert (campaign.state, campaign.started_at) == (state, started_at)
    assert (campaign.spec.send_at, campaign.spec.send_before) == (send_at, NOW + 99)


async def test_listing_goes_from_the_newest_on_without_bodies(world: World) -> None:
    for i in range(4):
        await world.accepted(1, spec=replace(SPEC, request_id=f"r{i}"))
    await world.campaigns.change_state(2, lambda _: (CampaignState.PAUSED, ""))

    page = await world.campaigns.list(before=4, limit=2)
    paused = await world.campaigns.list(before=None, limit=9, states=[CampaignState.PAUSED])

    assert [one.number for one in page] == [3, 2]
    assert page[0].counts == Counts.of({MessageState.QUEUED: 1})
    assert page[0].spec.content == replace(
        CONTENT, html="", plaintext="", amp_html="", replacements={}
    )
    assert [one.number for one in paused] == [2]
    assert len(await world.campaigns.list(before=None, limit=9, provider_id=PROVIDER)) == 4
    assert await world.campaigns.list(before=None, limit=9, provider_id=PROVIDER + 1) == []


async def test_a_state_that_an_update_refuses_is_not_stored(world: World) -> None:
    number = await world.accepted(1)

    def refuse(state: CampaignState) -> tuple[CampaignState, str]:
        raise NotPossibleNow(f"it is {state}")

    with pytest.raises(NotPossibleNow, match="it is SENDING"):
        await world.campaigns.change_state(number, refuse)

    assert (await world.campaigns.get(number)).state is CampaignState.SENDING


async def test_of_twenty_changes_at_once_each_sees_the_one_before(world: World) -> None:
    number = await world.accepted(1)

    def pause(state: CampaignState) -> tuple[CampaignState, str]:
        if state is not CampaignState.SENDING:
            raise NotPossibleNow("it is paused")
        return CampaignState.PAUSED, "by hand"

    answers = await asyncio.gather(
        *(world.campaigns.change_state(number, pause) for _ in range(20)), return_exceptions=True
    )

    assert sum(isinstance(answer, NotPossibleNow) for answer in answers) == 19
    assert (await world.campaigns.get(number)).state_reason == "by hand"


async def test_cancelling_cancels_what_is_queued(world: World) -> None:
    number = await world.accepted(CHUNK_SIZE, 2)
    world.clock.advance(5)

    campaign = await world.campaigns.change_state(number, lambda _: (CampaignState.CANCELLED, "x"))

    assert (campaign.state, campaign.state_reason) == (CampaignState.CANCELLED, "x")
    assert campaign.ended_at == NOW + 5
    assert campaign.counts == Counts.of({MessageState.CANCELLED: 1002})
    assert set(await world.states(number)) == {MessageState.CANCELLED}


async def test_cancelling_leaves_requests_in_flight_to_end_as_they_end(sql_world: SqlWorld) -> None:
    number = await sql_world.accepted(3)
    await sql_world.set_chunk(
        number, state=ChunkState.POSTING, epoch=1, requests=posting(1), queued=2, sending=1
    )

    campaign = await sql_world.campaigns.change_state(
        number, lambda _: (CampaignState.CANCELLED, "")
    )

    cancelled, sending = MessageState.CANCELLED, MessageState.SENDING
    assert campaign.counts == Counts.of({cancelled: 2, sending: 1})
    assert await sql_world.states(number) == [cancelled, sending, cancelled]


async def test_cancelling_makes_unknown_what_nobody_will_repeat(sql_world: SqlWorld) -> None:
    number = await sql_world.accepted(3)
    await sql_world.set_chunk(
        number,
        state=ChunkState.READY,
        epoch=1,
        requests=posting(1, now=False, doubtful=True),
        queued=3,
    )

    campaign = await sql_world.campaigns.change_state(
        number, lambda _: (CampaignState.CANCELLED, "")
    )

    cancelled, unknown = MessageState.CANCELLED, MessageState.UNKNOWN
    assert campaign.counts == Counts.of({cancelled: 2, unknown: 1})
    assert await sql_world.states(number) == [cancelled, unknown, cancelled]


async def test_the_state_of_a_message_follows_from_its_chunk(sql_world: SqlWorld) -> None:
    number = await sql_world.accepted(3)
    await sql_world.set_chunk(
        number,
        state=ChunkState.POSTING,
        open=bytes([0b110]),
        requests=posting(1),
        queued=1,
        sending=1,
        accepted=1,
    )

    assert await sql_world.states(number) == [
        MessageState.ACCEPTED,
        MessageState.SENDING,
        MessageState.QUEUED,
    ]


async def test_a_request_that_waits_for_its_repeat_leaves_its_messages_queued(
    sql_world: SqlWorld,
) -> None:
    number = await sql_world.accepted(2)
    await sql_world.set_chunk(number, requests=posting(0, 1, now=False))

    assert await sql_world.states(number) == [MessageState.QUEUED] * 2


async def test_resuming_when_all_is_sent_completes_the_campaign(sql_world: SqlWorld) -> None:
    number = await sql_world.accepted(1)
    await sql_world.set_chunk(number, state=ChunkState.DONE, open=b"\0", queued=0, accepted=1)

    campaign = await sql_world.campaigns.change_state(number, lambda _: (CampaignState.SENDING, ""))

    assert campaign.state is CampaignState.COMPLETED


async def test_pages_of_messages_join_without_gap_or_repeat(world: World) -> None:
    number = await world.accepted(CHUNK_SIZE, CHUNK_SIZE, 5)
    seen: list[int] = []
    after: int | None = -1
    while after is not None:
        rows, after = await world.campaigns.messages(number, after=after, limit=401)
        assert len(rows) <= 401
        seen += [row.ordinal for row in rows]

    assert seen == list(range(2005))


@pytest.mark.parametrize(
    ("stored", "key"),
    [
        ("Ann.Lee@Example.COM", "ann.lee@example.com"),
        ("ann@Bücher.example", "ann@xn--bcher-kva.example"),
        ('"a b"@example.com', '"a b"@example.com'),
    ],
)
async def test_an_address_is_found_however_it_is_spelt(world: World, stored: str, key: str) -> None:
    number = await world.campaigns.begin(SPEC, PROVIDER)
    await world.campaigns.stage(number, 0, people(CHUNK_SIZE))
    # The first only holds the address within another one.
    people_of_last = [Recipient("x" + stored), Recipient(stored, "Ann")]
    await world.campaigns.stage(number, 1, people_of_last)
    await world.campaigns.accept(number, fingerprint=b"")

    rows, after = await world.campaigns.messages(number, after=-1, limit=9, email_key=key)

    assert [(row.ordinal, row.recipient) for row in rows] == [(1001, Recipient(stored, "Ann"))]
    assert after is None


async def test_a_search_through_a_large_campaign_goes_on_over_pages_that_may_be_empty(
    sql_world: SqlWorld,
) -> None:
    number = await sql_world.accepted(*[1] * 257)

    key = "p256000@example.com"
    rows, after = await sql_world.campaigns.messages(number, after=-1, limit=9, email_key=key)
    assert (rows, after) == ([], 255_999)

    rows, after = await sql_world.campaigns.messages(number, after=255_999, limit=9, email_key=key)
    assert ([row.ordinal for row in rows], after) == ([256_000], None)
