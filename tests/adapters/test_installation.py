from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.sql.database import Database
from adapters.sql.installation import WrongKey, claim_key
from tests.fakes.clock import FakeClock
from tests.tables import create_schema


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(f"sqlite+aiosqlite:///{tmp_path / 'key.db'}", clock=FakeClock())
    await create_schema(made)
    yield made
    await made.close()


async def test_a_database_is_bound_to_its_first_key_and_refuses_every_other(
    database: Database,
) -> None:
    await claim_key(database, b"first")
    await claim_key(database, b"first")
    with pytest.raises(WrongKey, match="secret_key"):
        await claim_key(database, b"other")
