"""Whom the entries of the event log speak of."""

from collections.abc import Iterator, Mapping, Sequence

from domain.chunk import CHUNK_SIZE
from domain.events import LogEntry
from domain.message_id import MessageKind
from services.ports import CampaignRepository, TestMessages

# About 80 KB each. Callbacks come roughly in the order in which messages were sent, so that many
# follow each other in a few chunks.
_CHUNKS_KEPT = 256


class Addresses:
    """The addresses of recipients, read by the chunk; the chunks used last are kept."""

    def __init__(self, campaigns: CampaignRepository, tests: TestMessages) -> None:
        self._campaigns = campaigns
        self._tests = tests
        # From campaign and chunk number; the one used last is the last.
        self._kept: dict[tuple[int, int], Sequence[str]] = {}

    async def of(self, entry: LogEntry) -> Mapping[int, str]:
        """The address of each ordinal of the entry, and of none that is not there."""
        if entry.message_kind is MessageKind.TEST:
            tests = await self._tests.emails([entry.number])
            return dict.fromkeys(entry.ordinals, tests[entry.number]) if tests else {}
        chunks = {ordinal // CHUNK_SIZE for ordinal in entry.ordinals}
        return _InChunks({chunk: await self._chunk(entry.number, chunk) for chunk in chunks})

    async def _chunk(self, campaign_number: int, chunk_number: int) -> Sequence[str]:
        key = (campaign_number, chunk_number)
        found = self._kept.pop(key, None)
        if found is None:
            found = await self._read(campaign_number, chunk_number * CHUNK_SIZE)
        self._kept[key] = found
        if len(self._kept) > _CHUNKS_KEPT:
            del self._kept[next(iter(self._kept))]
        return found

    async def _read(self, campaign_number: int, first: int) -> Sequence[str]:
        ordinals = range(first, first + CHUNK_SIZE)
        found = await self._campaigns.recipients(campaign_number, ordinals)
        return [found[ordinal].email for ordinal in ordinals if ordinal in found]


class _InChunks(Mapping[int, str]):
    """The addresses of whole chunks by ordinal; they are not copied for every entry."""

    def __init__(self, chunks: Mapping[int, Sequence[str]]) -> None:
        self._chunks = chunks

    def __getitem__(self, ordinal: int) -> str:
        chunk, place = divmod(ordinal, CHUNK_SIZE)
        emails = self._chunks.get(chunk, ())
        if place >= len(emails):
            raise KeyError(ordinal)
        return emails[place]

    def __iter__(self) -> Iterator[int]:
        for chunk, emails in self._chunks.items():
            first = chunk * CHUNK_SIZE
            yield from range(first, first + len(emails))

    def __len__(self) -> int:
        return sum(map(len, self._chunks.values()))
