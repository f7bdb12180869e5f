"""Finds repeated addresses in flat memory, by spooling digests to temporary files."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from tempfile import SpooledTemporaryFile
from typing import IO

# 10 million addresses make 160,000 records to a partition: some 25 MB while one is looked through.
_PARTITIONS = 64
# What each partition keeps in memory: 4 MiB in all, and no file for a campaign of 150,000.
_SPOOL_BYTES = 64 * 1024
# With 16 bytes, two of 10 million addresses share a digest once in 10**24 campaigns.
_DIGEST_BYTES = 16
_RECORD_BYTES = _DIGEST_BYTES + 5
_LIST_LENGTH = 1000


class SpooledAddressLedger:
    """Writes a record per address into the partition that its digest falls into."""

    def __init__(self) -> None:
        self._partitions: list[IO[bytes]] = [
            SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115  close() ends them.
            for _ in range(_PARTITIONS)
        ]

    def add(self, entries: Iterable[tuple[int, str]]) -> None:
        records: list[list[bytes]] = [[] for _ in range(_PARTITIONS)]
        for ordinal, key in entries:
            digest = hashlib.blake2b(key.encode(), digest_size=_DIGEST_BYTES).digest()
            records[digest[0] % _PARTITIONS].append(digest + ordinal.to_bytes(5, "big"))
        for partition, lines in zip(self._partitions, records, strict=True):
            partition.write(b"".join(lines))

    def repeats(self) -> Iterator[Sequence[int]]:
        for partition in self._partitions:
            found = _repeats_within(partition)
            for start in range(0, len(found), _LIST_LENGTH):
                yield found[start : start + _LIST_LENGTH]

    def close(self) -> None:
        for partition in self._partitions:
            partition.close()


def _repeats_within(partition: IO[bytes]) -> list[int]:
    partition.seek(0)
    data = partition.read()
    seen: set[bytes] = set()
    found: list[int] = []
    for at in range(0, len(data), _RECORD_BYTES):
        digest = data[at : at + _DIGEST_BYTES]
        if digest in seen:
            found.append(int.from_bytes(data[at + _DIGEST_BYTES : at + _RECORD_BYTES], "big"))
        seen.add(digest)
    return found
