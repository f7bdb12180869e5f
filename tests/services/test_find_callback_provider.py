"""Whose callback URL it is."""

import asyncio

import pytest

from domain.errors import TryLater
from domain.provider import Provider
from services.find_callback_provider import FindCallbackProvider
from tests.contracts.ports import NOW
from tests.domain.provider_samples import POST
from tests.fakes.clock import FakeClock

ACME = Provider(
    provider_id=1, version=1, config=POST, callback_token="tok", created_at=NOW, updated_at=NOW
)


class Asked:
    """Knows some tokens, and counts how often it was asked; `failure` is raised instead."""

    def __init__(self) -> None:
        self.known = {"tok": ACME}
        self.failure: TryLater | None = None
        self.times = 0

    async def __call__(self, token: str) -> Provider | None:
        self.times += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return self.known.get(token)


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def find(asked: Asked, clock: FakeClock) -> FindCallbackProvider:
    return FindCallbackProvider(asked, clock)


async def test_what_was_found_is_not_asked_for_again(
    find: FindCallbackProvider, asked: Asked
) -> None:
    assert find.known("tok") is None
    assert [await find("tok") for _ in range(3)] == [ACME] * 3
    assert find.known("tok") is ACME
    assert asked.times == 1


async def test_after_some_seconds_it_is_asked_for_again(
    find: FindCallbackProvider, asked: Asked, clock: FakeClock
) -> None:
    await find("tok")
    clock.advance(60)
    del asked.known["tok"]
    assert find.known("tok") is None
    assert await find("tok") is None
    assert find.known("tok") is None


async def test_what_is_not_there_yet_is_found_once_it_is(
    find: FindCallbackProvider, asked: Asked
) -> None:
    assert await find("new") is None
    asked.known["new"] = ACME
    assert await find("new") is ACME


async def test_many_at_once_ask_once_and_one_that_leaves_takes_nothing_along(
    find: FindCallbackProvider, asked: Asked
) -> None:
    tasks = [asyncio.create_task(find("tok")) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert found[1:] == [ACME] * 4
    assert asked.times == 1


async def test_a_failure_is_told_to_all_who_ask_and_not_remembered(
    find: FindCallbackProvider, asked: Asked
) -> None:
    asked.failure = TryLater("busy")
    told = await asyncio.gather(find("tok"), find("tok"), return_exceptions=True)
    assert [error is asked.failure for error in told] == [True, True]
    asked.failure = None
    assert await find("tok") is ACME
