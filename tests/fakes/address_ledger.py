"""Repeated addresses, found in memory."""

from collections.abc import Iterable, Iterator, Sequence

_LIST_LENGTH = 1000


class FakeAddressLedger:
    """AddressLedger that keeps every key: for campaigns of a test's size."""

    def __init__(self) -> None:
        self.closed = False
        self._seen: set[str] = set()
        self._repeats: list[int] = []

    def add(self, entries: Iterable[tuple[int, str]]) -> None:
        if self.closed:
            raise ValueError("the ledger is closed")
        for ordinal, key in entries:
            if key in self._seen:
                self._repeats.append(ordinal)
            self._seen.add(key)

    def repeats(self) -> Iterator[Sequence[int]]:
        for start in range(0, len(self._repeats), _LIST_LENGTH):
            yield self._repeats[start : start + _LIST_LENGTH]

    def close(self) -> None:
        self.closed = True
