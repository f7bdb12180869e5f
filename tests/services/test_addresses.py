"""The addresses behind log entries, read by the chunk and kept."""

from collections.abc import Mapping, Sequence

from domain.campaign import CampaignSpec, Content, Recipient
from domain.chunk import CHUNK_SIZE
from domain.events import EntryKind, LogEntry
from domain.message_id import MessageKind
from services.addresses import Addresses
from tests.fakes.campaign_repository import FakeCampaignRepository
from tests.fakes.clock import FakeClock
from tests.fakes.messages_of_tests import FakeTestMessages
from tests.fakes.store import Store


class CountingRepository(FakeCampaignRepository):
    """Counts how often it is asked for recipients."""

    reads = 0

    async def recipients(self, number: int, ordinals: Sequence[int]) -> Mapping[int, Recipient]:
        self.reads += 1
        return await super().recipients(number, ordinals)


class World:
    def __init__(self) -> None:
        self.store = Store(FakeClock())
        self.campaigns = CountingRepository(self.store)
        self.tests = FakeTestMessages(self.store)
        self.addresses = Addresses(self.campaigns, self.tests)

    async def campaign(self, people: int) -> int:
        spec = CampaignSpec(request_id="r", provider="acme", content=Content())
        number = await self.campaigns.begin(spec, 1)
        for chunk, first in enumerate(range(0, people, CHUNK_SIZE)):
            some = range(first, min(first + CHUNK_SIZE, people))
            await self.campaigns.stage(number, chunk, [Recipient(f"p{i}@x.org") for i in some])
        return number


def entry(
    number: int, *ordinals: int, message_kind: MessageKind = MessageKind.CAMPAIGN
) -> LogEntry:
    return LogEntry(
        kind=EntryKind.SENT,
        provider="acme",
        number=number,
        ordinals=ordinals,
        message_kind=message_kind,
        occurred_at=1.0,
        received_at=1.0,
    )


async def test_each_ordinal_has_its_address_in_whatever_chunk_it_is() -> None:
    world = World()
    number = await world.campaign(CHUNK_SIZE + 5)
    found = await world.addresses.of(entry(number, 3, CHUNK_SIZE - 1, CHUNK_SIZE + 4))
    assert found[3] == "p3@x.org"
    assert found[CHUNK_SIZE - 1] == f"p{CHUNK_SIZE - 1}@x.org"
    assert found[CHUNK_SIZE + 4] == f"p{CHUNK_SIZE + 4}@x.org"


async def test_what_is_not_there_has_none() -> None:
    world = World()
    number = await world.campaign(2)
    found = await world.addresses.of(entry(number, 0))
    assert (found.get(1), found.get(2), list(found)) == ("p1@x.org", None, [0, 1])
    assert len(await world.addresses.of(entry(99, 0))) == 0


async def test_a_chunk_is_read_once_for_many_entries() -> None:
    world = World()
    number = await world.campaign(CHUNK_SIZE)
    for ordinal in range(50):
        found = await world.addresses.of(entry(number, ordinal))
        assert found[ordinal] == f"p{ordinal}@x.org"
    assert world.campaigns.reads == 1


async def test_memory_is_bounded_and_the_chunks_used_last_stay() -> None:
    world = World()
    # A cache that kept everything would answer the last one without a read.
    for number in range(1, 2001):
        await world.addresses.of(entry(number, 0))
        await world.addresses.of(entry(1, 0))
    assert world.campaigns.reads == 2000
    await world.addresses.of(entry(2, 0))
    assert world.campaigns.reads == 2001


async def test_a_test_email_has_the_address_that_it_went_to() -> None:
    world = World()
    number = await world.tests.add(1, "Tess@x.org", at=1.0)
    of_test = entry(number, 0, message_kind=MessageKind.TEST)
    assert (await world.addresses.of(of_test))[0] == "Tess@x.org"
    assert len(await world.addresses.of(entry(99, 0, message_kind=MessageKind.TEST))) == 0
