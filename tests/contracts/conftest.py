"""Every suite runs over both: the adapters on a SQLite file, and the fakes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.bench import Bench
from tests.contracts.ports import NOW, Ports, SqlPorts, over_fake, over_sql
from tests.fakes.clock import FakeClock
from tests.fakes.store import Store


@pytest.fixture(params=["sql", "fake"])
async def ports(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ports]:
    if request.param == "fake":
        yield over_fake(Store(FakeClock(NOW)))
        return
    async with over_sql(tmp_path) as made:
        yield made


@pytest.fixture
async def sql_ports(tmp_path: Path) -> AsyncIterator[SqlPorts]:
    """For what only a database can do: each case that takes it says why."""
    async with over_sql(tmp_path) as made:
        yield made


@pytest.fixture
async def bench(ports: Ports) -> Bench:
    return await Bench.on(ports)


@pytest.fixture
async def sql_bench(sql_ports: SqlPorts) -> Bench:
    return await Bench.on(sql_ports)
