"""SendCampaign over a SQLite file and over ports in memory: all of a campaign, or nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from adapters.spooled_ledger import SpooledAddressLedger
from domain.campaign import CampaignSpec, CampaignState, Content, Recipient
from domain.chunk import CHUNK_SIZE
from domain.errors import AlreadyExists, InvalidRequest, NotFound, TryLater, Violation
from domain.message import MessageState
from services.ports import AddressLedger, MessageRow
from services.refusals import MAX_VIOLATIONS
from services.send_campaign import SendCampaign, Sent
from tests.contracts.ports import NOW, Ports, over_fake, over_sql
from tests.domain.provider_samples import POST
from tests.fakes.address_ledger import FakeAddressLedger
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store

QUEUED, DUPLICATE, REJECTED = MessageState.QUEUED, MessageState.DUPLICATE, MessageState.REJECTED
CONTENT = Content(
    subject="Hello $$code", from_name="Shop", from_address="shop@example.com", html="<p>Hi</p>"
)
SPEC = CampaignSpec(request_id="r-1", provider="Acme", content=CONTENT)


class ConnectionLost(Exception):
    """What a stream of recipients breaks off with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The use case, and the ports that it stores through."""

    ports: Ports
    send: SendCampaign

    async def send_to(
        self, recipients: Iterable[Recipient], *, spec: CampaignSpec = SPEC, cut: int = CHUNK_SIZE
    ) -> Sent:
        return await self.send(spec, in_slices(list(recipients), cut))

    async def messages(self, number: int) -> Sequence[MessageRow]:
        rows, _ = await self.ports.campaigns.messages(number, after=-1, limit=10_000)
        return rows

    async def assert_nothing_left(self) -> None:
        assert await self.ports.campaigns.list(before=None, limit=10) == []
        assert await self.ports.campaigns.by_request(SPEC.request_id) is None
        # What was begun and never accepted would be swept now.
        assert await self.ports.campaigns.sweep(begun_before=NOW + 1e9) == 0


@pytest.fixture(params=["sql", "fake"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "fake":
        yield await _world(over_fake(Store(FakeClock(NOW))), FakeAddressLedger)
        return
    async with over_sql(tmp_path) as ports:
        yield await _world(ports, SpooledAddressLedger)


async def _world(ports: Ports, new_ledger: Callable[[], AddressLedger]) -> World:
    await ports.providers.configure("acme", lambda _: POST)
    send = SendCampaign(
        campaigns=ports.campaigns,
        providers=ports.providers,
        new_ledger=new_ledger,
        clock=ports.clock,
    )
    return World(ports=ports, send=send)


async def in_slices(
    recipients: Sequence[Recipient], size: int = CHUNK_SIZE
) -> AsyncIterator[Sequence[Recipient]]:
    for start in range(0, len(recipients), size):
        yield recipients[start : start + size]


async def broken_after(
    recipients: Sequence[Recipient], slices: int, size: int
) -> AsyncIterator[Sequence[Recipient]]:
    for start in range(0, slices * size, size):
        yield recipients[start : start + size]
    raise ConnectionLost


def people(number: int) -> list[Recipient]:
    return [Recipient(f"p{i}@example.com", "", {"code": f"c{i}"}) for i in range(number)]


def person(email: str, **replacements: str) -> Recipient:
    return Recipient(email, "", replacements or {"code": "c"})


def spec(**changes: Any) -> CampaignSpec:
    return replace(SPEC, content=replace(CONTENT, **changes))


def faults(error: InvalidRequest) -> dict[str, str]:
    return {violation.field: violation.reason for violation in error.violations}


async def test_all_recipients_are_stored_in_their_order_however_they_come(world: World) -> None:
    everyone = people(2 * CHUNK_SIZE + 7)

    sent = await world.send_to(everyone, cut=333)

    assert not sent.already_existed
    assert sent.campaign.state is CampaignState.SENDING
    assert sent.campaign.counts[QUEUED] == sent.campaign.counts.total == len(everyone)
    rows = await world.messages(sent.campaign.number)
    assert [row.recipient for row in rows] == everyone


async def test_the_providers_defaults_fill_what_the_campaign_leaves_out(world: World) -> None:
    defaults = replace(POST, default_from_name="Acme", default_from_address="acme@example.com")
    await world.ports.providers.configure("acme", lambda _: defaults)

    sent = await world.send_to(people(1), spec=spec(from_name="", from_address=""))

    content = sent.campaign.spec.content
    assert (content.from_name, content.from_address) == ("Acme", "acme@example.com")


async def test_a_campaign_with_a_later_send_at_waits_for_it(world: World) -> None:
    sent = await world.send_to(people(1), spec=replace(SPEC, send_at=NOW + 60))

    assert sent.campaign.state is CampaignState.SCHEDULED


@pytest.mark.parametrize("cut", [1, 7, CHUNK_SIZE, 5 * CHUNK_SIZE])
async def test_a_repeat_is_the_campaign_that_is_there_however_it_is_cut(
    world: World, cut: int
) -> None:
    first = await world.send_to(people(CHUNK_SIZE + 5))

    again = await world.send_to(people(CHUNK_SIZE + 5), cut=cut)

    assert again.already_existed
    assert again.campaign == first.campaign
    assert len(await world.ports.campaigns.list(before=None, limit=10)) == 1


async def test_a_repeat_is_answered_after_send_before_and_without_the_provider(
    world: World,
) -> None:
    timed = replace(SPEC, send_before=NOW + 60)
    first = await world.send_to(people(1), spec=timed)
    await world.ports.campaigns.change_state(
        first.campaign.number, lambda _: (CampaignState.CANCELLED, "by a test")
    )
    await world.ports.providers.delete("acme", etag="")
    world.ports.clock.advance(3600)

    again = await world.send_to(people(1), spec=timed)

    assert again.already_existed
    assert again.campaign.number == first.campaign.number


async def test_a_repeat_is_recognised_after_the_providers_defaults_changed(world: World) -> None:
    defaults = replace(POST, default_from_name="Acme")
    await world.ports.providers.configure("acme", lambda _: defaults)
    first = await world.send_to(people(1), spec=spec(from_name=""))
    await world.ports.providers.configure(
        "acme", lambda _: replace(defaults, default_from_name="Acme Two")
    )

    again = await world.send_to(people(1), spec=spec(from_name=""))

    assert again.already_existed
    assert again.campaign.spec.content.from_name == first.campaign.spec.content.from_name == "Acme"


@pytest.mark.parametrize(
    ("changed", "recipients"),
    [
        (spec(subject="Other $$code"), people(2)),
        (replace(SPEC, name="Other"), people(2)),
        (replace(SPEC, provider="other"), people(2)),
        (SPEC, people(3)),
        (SPEC, people(1)),
        (SPEC, people(2)[::-1]),
        (SPEC, [person("p0@example.com", code="other"), people(2)[1]]),
        (SPEC, []),
    ],
    ids=["subject", "name", "provider", "one more", "one less", "order", "replacement", "none"],
)
async def test_a_request_id_with_anything_else_is_refused(
    world: World, changed: CampaignSpec, recipients: Sequence[Recipient]
) -> None:
    first = await world.send_to(people(2))

    with pytest.raises(AlreadyExists) as caught:
        await world.send_to(recipients, spec=changed)

    assert caught.value.request_id == "r-1"
    left = await world.ports.campaigns.list(before=None, limit=10)
    assert [campaign.number for campaign in left] == [first.campaign.number]
    assert await world.ports.campaigns.sweep(begun_before=NOW + 1e9) == 0


async def test_of_several_calls_at_once_one_is_new_and_the_others_are_repeats(
    world: World,
) -> None:
    sent = await asyncio.gather(*(world.send_to(people(3)) for _ in range(5)))

    assert [each.already_existed for each in sent].count(False) == 1
    assert len({each.campaign.number for each in sent}) == 1
    assert await world.ports.campaigns.sweep(begun_before=NOW + 1e9) == 0


async def test_the_first_of_equal_addresses_is_mailed_and_the_others_are_duplicates(
    world: World,
) -> None:
    twice = [
        person("Ann@Example.com"),
        *people(CHUNK_SIZE),
        person("ann@example.COM"),
        person("p3@example.com"),
    ]

    sent = await world.send_to(twice)

    rows = await world.messages(sent.campaign.number)
    duplicates = {row.ordinal: row for row in rows if row.state is DUPLICATE}
    assert sorted(duplicates) == [CHUNK_SIZE + 1, CHUNK_SIZE + 2]
    assert {row.reason for row in duplicates.values()} == {"REPEATED_ADDRESS"}
    assert sent.campaign.counts[DUPLICATE] == 2
    assert sent.campaign.counts[QUEUED] == CHUNK_SIZE + 1


async def test_a_rejected_recipient_makes_no_duplicate_of_a_later_one(world: World) -> None:
    sent = await world.send_to([person("a@example.com", wrong="x"), person("a@example.com")])

    rows = await world.messages(sent.campaign.number)
    assert [row.state for row in rows] == [REJECTED, QUEUED]


@pytest.mark.parametrize(
    ("recipient", "reason", "detail"),
    [
        (
            person("a@example.com", other="x"),
            "REPLACEMENT_MISSING",
            "`code` is not given, neither with the recipient nor with the campaign",
        ),
        (
            person("a@example.com", Code="x"),
            "REPLACEMENT_MISSING",
            "`code` is not given; `Code` is",
        ),
        (person("nobody"), "NOT_SENDABLE", "the address has no @"),
    ],
)
async def test_a_recipient_that_cannot_be_mailed_is_rejected_and_the_others_go(
    world: World, recipient: Recipient, reason: str, detail: str
) -> None:
    sent = await world.send_to([*people(2), recipient])

    rows = await world.messages(sent.campaign.number)
    assert [row.state for row in rows] == [QUEUED, QUEUED, REJECTED]
    assert rows[2].reason == reason
    assert rows[2].detail.startswith(detail)
    assert sent.campaign.state is CampaignState.SENDING


async def test_a_campaign_of_which_nothing_could_go_is_refused_with_the_first_cause(
    world: World,
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await world.send_to([person(f"a{i}@example.com", Code="x") for i in range(CHUNK_SIZE + 1)])

    (violation,) = caught.value.violations
    assert (violation.field, violation.reason) == ("recipients", "REPLACEMENT_MISSING")
    assert "`code` is not given; `Code` is" in violation.message
    await world.assert_nothing_left()


async def test_a_campaign_without_recipients_is_refused(world: World) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await world.send_to([])

    assert faults(caught.value) == {"recipients": "REQUIRED"}
    await world.assert_nothing_left()


@pytest.mark.parametrize("place", [0, CHUNK_SIZE + 3])
async def test_a_recipient_without_an_address_refuses_the_whole_call(
    world: World, place: int
) -> None:
    everyone = people(CHUNK_SIZE + 10)
    everyone[place] = person(" ")

    with pytest.raises(InvalidRequest) as caught:
        await world.send_to(everyone, cut=100)

    assert faults(caught.value) == {f"recipients[{place}].email": "REQUIRED"}
    await world.assert_nothing_left()


async def test_a_replacement_with_a_system_placeholders_name_refuses_the_whole_call(
    world: World,
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await world.send_to([*people(1), person("a@example.com", code="c", Subject="mine")])

    assert faults(caught.value) == {"recipients[1].replacements.Subject": "SYSTEM_NAME"}
    await world.assert_nothing_left()


async def test_of_many_faults_the_first_are_told_and_the_others_are_counted(world: World) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await world.send_to([*people(CHUNK_SIZE), *[person("")] * (2 * MAX_VIOLATIONS)])

    fields = [violation.field for violation in caught.value.violations]
    assert fields == [f"recipients[{CHUNK_SIZE + i}].email" for i in range(MAX_VIOLATIONS)]
    assert caught.value.more == MAX_VIOLATIONS
    await world.assert_nothing_left()


async def test_a_list_that_is_wrong_as_a_whole_is_not_read_to_its_end(world: World) -> None:
    read = 0

    async def endless() -> AsyncIterator[Sequence[Recipient]]:
        nonlocal read
        while True:
            read += CHUNK_SIZE
            yield [person("")] * CHUNK_SIZE

    for wanted in (SPEC, spec(subject="")):
        with pytest.raises(InvalidRequest):
            await world.send(wanted, endless())
    assert read == 2 * CHUNK_SIZE


async def test_of_a_campaign_at_fault_a_list_without_end_is_not_waited_for(world: World) -> None:
    async def endless() -> AsyncIterator[Sequence[Recipient]]:
        while True:
            yield people(1) * CHUNK_SIZE

    with pytest.raises(InvalidRequest) as caught:
        await world.send(spec(subject=""), endless())

    assert faults(caught.value) == {"campaign.subject": "REQUIRED"}


async def test_faults_of_the_call_of_the_campaign_and_of_its_recipients_are_told_together(
    world: World,
) -> None:
    async def misused() -> AsyncIterator[Sequence[Recipient]]:
        yield [*people(1), person(" ", To="x"), person("a@example.com", Subject="x", cc="y")]
        raise InvalidRequest([Violation(field="payload", reason="REQUIRED", message="is empty")])

    unread = Violation(field="campaign.send_at", reason="INVALID_TIMESTAMP", message="is none")
    with pytest.raises(InvalidRequest) as caught:
        await world.send(spec(subject="", reply_to="nobody"), misused(), faults=[unread])

    assert list(faults(caught.value).items()) == [
        ("campaign.send_at", "INVALID_TIMESTAMP"),
        ("campaign.reply_to", "INVALID_ADDRESS"),
        ("campaign.subject", "REQUIRED"),
        ("recipients[1].email", "REQUIRED"),
        ("recipients[1].replacements.To", "SYSTEM_NAME"),
        ("recipients[2].replacements.Subject", "SYSTEM_NAME"),
        ("recipients[2].replacements.cc", "SYSTEM_NAME"),
        ("payload", "REQUIRED"),
    ]
    await world.assert_nothing_left()


async def test_what_is_wrong_with_the_call_comes_behind_the_recipients_before_it(
    world: World,
) -> None:
    async def misused() -> AsyncIterator[Sequence[Recipient]]:
        yield [person(" ")] * CHUNK_SIZE
        raise InvalidRequest([Violation(field="payload", reason="REQUIRED", message="is empty")])

    async def misused_later() -> AsyncIterator[Sequence[Recipient]]:
        yield [*people(CHUNK_SIZE + 6), person(" ")]
        raise InvalidRequest([Violation(field="payload", reason="REQUIRED", message="is empty")])

    with pytest.raises(InvalidRequest) as many:
        await world.send(SPEC, misused())
    with pytest.raises(InvalidRequest) as few:
        await world.send(SPEC, misused_later())

    assert "payload" not in faults(many.value)
    assert list(faults(few.value)) == [f"recipients[{CHUNK_SIZE + 6}].email", "payload"]
    await world.assert_nothing_left()


async def test_an_empty_list_is_told_with_the_faults_of_the_campaign(world: World) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await world.send_to([], spec=spec(subject=""))

    assert faults(caught.value) == {"campaign.subject": "REQUIRED", "recipients": "REQUIRED"}


async def test_a_call_with_faults_is_refused_though_it_repeats_another(world: World) -> None:
    await world.send_to(people(1))
    unread = Violation(field="campaign.send_at", reason="INVALID_TIMESTAMP", message="is none")

    with pytest.raises(InvalidRequest) as caught:
        await world.send(SPEC, in_slices(people(1)), faults=[unread])

    assert faults(caught.value) == {"campaign.send_at": "INVALID_TIMESTAMP"}


@pytest.mark.parametrize("size", [1, 400, CHUNK_SIZE])
async def test_a_stream_that_breaks_off_leaves_nothing(world: World, size: int) -> None:
    with pytest.raises(ConnectionLost):
        await world.send(SPEC, broken_after(people(3 * CHUNK_SIZE), slices=2, size=size))

    await world.assert_nothing_left()


async def test_the_same_stream_comes_through_after_it_broke_off(world: World) -> None:
    with pytest.raises(ConnectionLost):
        await world.send(SPEC, broken_after(people(3000), slices=2, size=CHUNK_SIZE))

    sent = await world.send_to(people(3000))

    assert not sent.already_existed
    assert sent.campaign.counts.total == 3000


async def test_all_that_is_wrong_with_a_campaign_is_told_together(world: World) -> None:
    wrong = replace(
        SPEC,
        request_id="with spaces",
        send_before=NOW - 1,
        content=replace(CONTENT, subject="", cc=("nobody",), replacements={"To": "x"}),
    )

    with pytest.raises(InvalidRequest) as caught:
        await world.send_to(people(1), spec=wrong)

    assert faults(caught.value) == {
        "campaign.request_id": "INVALID_REQUEST_ID",
        "campaign.send_before": "IN_THE_PAST",
        "campaign.subject": "REQUIRED",
        "campaign.cc[0]": "INVALID_ADDRESS",
        "campaign.replacements.To": "SYSTEM_NAME",
    }
    await world.assert_nothing_left()


async def test_a_campaign_without_a_request_id_is_refused(world: World) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await world.send_to(people(1), spec=replace(SPEC, request_id=""))

    assert faults(caught.value) == {"campaign.request_id": "REQUIRED"}
    await world.assert_nothing_left()


async def test_an_unknown_provider_is_not_found(world: World) -> None:
    with pytest.raises(NotFound) as caught:
        await world.send_to(people(1), spec=replace(SPEC, provider="nobody"))

    assert (caught.value.kind, caught.value.name) == ("provider", "nobody")
    await world.assert_nothing_left()


async def test_what_is_wrong_besides_an_unknown_provider_comes_first(world: World) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await world.send_to(people(1), spec=replace(spec(reply_to="nobody"), provider="nobody"))

    assert faults(caught.value) == {"campaign.reply_to": "INVALID_ADDRESS"}


async def test_a_database_that_cannot_be_written_to_leaves_nothing(world: World) -> None:
    async def failing() -> AsyncIterator[Sequence[Recipient]]:
        yield people(CHUNK_SIZE)
        world.ports.be_busy(True)
        yield people(1)

    with pytest.raises(TryLater, match="busy"):
        await world.send(SPEC, failing())

    world.ports.be_busy(False)
    # It could not be discarded either: the sweep does that later.
    assert await world.ports.campaigns.list(before=None, limit=10) == []
    assert await world.ports.campaigns.sweep(begun_before=NOW + 1e9) == 1
