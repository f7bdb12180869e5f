"""What every SuppressionRepository must do."""

import asyncio

import pytest

from domain.errors import TryLater
from domain.suppression import Suppression, SuppressionReason
from services.ports import SuppressionRepository
from tests.contracts.ports import Ports


@pytest.fixture
def repository(ports: Ports) -> SuppressionRepository:
    return ports.suppressions


def of(key: str, reason: SuppressionReason = SuppressionReason.MANUAL) -> Suppression:
    return Suppression(email=key, key=key, reason=reason, created_at=1.5)


async def test_a_suppression_is_read_as_it_was_given(repository: SuppressionRepository) -> None:
    whole = Suppression(
        email="A@x.org",
        key="a@x.org",
        reason=SuppressionReason.COMPLAINT,
        detail="said “no”",
        event_position=7,
        campaign_number=3,
        ordinal=0,
        provider="acme",
        created_at=1.5,
    )
    await repository.add([whole])
    assert await repository.list(after="", limit=2) == [whole]


async def test_the_first_suppression_of_a_key_stays(repository: SuppressionRepository) -> None:
    first = of("a@x.org", SuppressionReason.COMPLAINT)
    assert await repository.add([first, of("a@x.org")]) == 1
    assert await repository.add([of("a@x.org"), of("b@x.org")]) == 1
    assert await repository.suppressed(["a@x.org", "c@x.org"]) == {"a@x.org": first}


async def test_of_twenty_that_add_a_key_at_once_one_is_new(
    repository: SuppressionRepository,
) -> None:
    added = await asyncio.gather(*(repository.add([of("a@x.org")]) for _ in range(20)))
    assert sum(added) == 1


async def test_an_addition_that_fails_adds_nothing(
    ports: Ports, repository: SuppressionRepository
) -> None:
    ports.be_busy(True)
    with pytest.raises(TryLater):
        await repository.add([of("a@x.org"), of("b@x.org")])
    ports.be_busy(False)
    assert await repository.list(after="", limit=9) == []


async def test_more_keys_than_one_statement_takes(repository: SuppressionRepository) -> None:
    keys = [f"{n}@x.org" for n in range(1201)]
    assert await repository.add([of(key) for key in keys]) == 1201
    assert set(await repository.suppressed(keys)) == set(keys)
    assert await repository.remove([*keys, "nobody@x.org"]) == 1201
    assert await repository.list(after="", limit=10) == []


async def test_an_address_that_was_taken_off_can_be_added_again(
    repository: SuppressionRepository,
) -> None:
    await repository.add([of("a@x.org", SuppressionReason.COMPLAINT)])
    assert await repository.remove(["a@x.org", "a@x.org"]) == 1
    assert await repository.remove(["a@x.org"]) == 0
    again = of("a@x.org")
    assert await repository.add([again]) == 1
    assert await repository.suppressed(["a@x.org"]) == {"a@x.org": again}


async def test_pages_go_on_behind_the_last_key(repository: SuppressionRepository) -> None:
    bounce = of("c@x.org", SuppressionReason.HARD_BOUNCE)
    await repository.add([bounce, of("a@x.org"), of("b@x.org")])
    assert await repository.list(after="", limit=2) == [of("a@x.org"), of("b@x.org")]
    assert await repository.list(after="b@x.org", limit=2) == [bounce]
    assert await repository.list(after="", limit=9, reason=bounce.reason) == [bounce]


async def test_a_listing_can_be_narrowed_to_keys_that_begin_alike(
    repository: SuppressionRepository,
) -> None:
    alike = [of("a%b@x.org"), of("a%c@x.org")]
    await repository.add([of("aab@x.org"), *alike, of("b@x.org")])
    assert await repository.list(after="", limit=9, key_prefix="a%") == alike
