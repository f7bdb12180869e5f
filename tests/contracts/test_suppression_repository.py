"""What every SuppressionRepository must do."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.sql.database import Database, create_schema
from adapters.sql.suppressions import SqlSuppressionRepository
from domain.suppression import Suppression, SuppressionReason
from tests.fakes.clock import FakeClock


@pytest.fixture
async def repository(tmp_path: Path) -> AsyncIterator[SqlSuppressionRepository]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}", clock=FakeClock())
    await create_schema(database)
    yield SqlSuppressionRepository(database)
    await database.close()


def of(key: str, reason: SuppressionReason = SuppressionReason.MANUAL) -> Suppression:
    return Suppression(email=key, key=key, reason=reason, created_at=1.5)


async def test_the_first_suppression_of_a_key_stays(repository: SqlSuppressionRepository) -> None:
    first = of("a@x.org", SuppressionReason.COMPLAINT)
    assert await repository.add([first, of("a@x.org")]) == 1
    assert await repository.add([of("a@x.org"), of("b@x.org")]) == 1
    assert await repository.suppressed(["a@x.org", "c@x.org"]) == {"a@x.org": first}


async def test_more_keys_than_one_statement_takes(repository: SqlSuppressionRepository) -> None:
    keys = [f"{n}@x.org" for n in range(1201)]
    assert await repository.add([of(key) for key in keys]) == 1201
    assert set(await repository.suppressed(keys)) == set(keys)
    assert await repository.remove([*keys, "nobody@x.org"]) == 1201
    assert await repository.list(after="", limit=10) == []


async def test_pages_go_on_behind_the_last_key(repository: SqlSuppressionRepository) -> None:
    bounce = of("c@x.org", SuppressionReason.HARD_BOUNCE)
    await repository.add([bounce, of("a@x.org"), of("b@x.org")])
    assert await repository.list(after="", limit=2) == [of("a@x.org"), of("b@x.org")]
    assert await repository.list(after="b@x.org", limit=2) == [bounce]
    assert await repository.list(after="", limit=9, reason=bounce.reason) == [bounce]
