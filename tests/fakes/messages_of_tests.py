"""Test emails in memory."""

from collections.abc import Collection, Mapping

from tests.fakes.store import SentTest, Store


class FakeTestMessages:
    """The port TestMessages in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, provider_id: int, email: str, *, at: float) -> int:
        async with self._store.transaction():
            number = len(self._store.tests) + 1
            self._store.tests[number] = SentTest(provider_id, email, at)
        return number

    async def emails(self, numbers: Collection[int]) -> Mapping[int, str]:
        async with self._store.transaction():
            tests = self._store.tests
            return {number: tests[number].email for number in numbers if number in tests}
