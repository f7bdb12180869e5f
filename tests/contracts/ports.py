"""All ports on one store, as the contract suites run over them: a SQLite file, and memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import TypeVar

from sqlalchemy import Connection, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.secret_box import SecretBox
from adapters.sql import schema
from adapters.sql.campaigns import SqlCampaignRepository
from adapters.sql.database import Database
from adapters.sql.esp_messages import SqlEspMessages
from adapters.sql.events import SqlEventLog
from adapters.sql.kept_requests import SqlKeptRequests
from adapters.sql.limiter import SqlLimiter
from adapters.sql.providers import SqlProviderRepository
from adapters.sql.signature_uses import SqlSignatureUses
from adapters.sql.suppressions import SqlSuppressionRepository
from adapters.sql.test_messages import SqlTestMessages
from adapters.sql.work_queue import SqlWorkQueue
from domain.errors import TryLater
from services.ports import (
    CampaignRepository,
    EspMessages,
    EventLog,
    EventSearch,
    KeptRequests,
    Limiter,
    ProviderRepository,
    SignatureUses,
    SuppressionRepository,
    TestMessages,
    WorkQueue,
)
from tests.fakes.campaign_repository import FakeCampaignRepository
from tests.fakes.clock import FakeClock
from tests.fakes.esp_messages import FakeEspMessages
from tests.fakes.event_log import FakeEventLog
from tests.fakes.kept_requests import FakeKeptRequests
from tests.fakes.limiter import FakeLimiter
from tests.fakes.messages_of_tests import FakeTestMessages
from tests.fakes.provider_repository import FakeProviderRepository
from tests.fakes.signature_uses import FakeSignatureUses
from tests.fakes.store import Store
from tests.fakes.suppression_repository import FakeSuppressionRepository
from tests.fakes.work_queue import FakeWorkQueue
from tests.tables import create_schema

T = TypeVar("T")

NOW = 1_750_000_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the use cases see, the clock that all go by, and hands for what no port does.

    While `be_busy` holds nothing can be written. `unprocessed` is how many callback events are kept
    for replay.
    """

    clock: FakeClock
    providers: ProviderRepository
    campaigns: CampaignRepository
    suppressions: SuppressionRepository
    queue: WorkQueue
    log: EventLog
    search: EventSearch
    limiter: Limiter
    tests: TestMessages
    esp_messages: EspMessages
    kept_requests: KeptRequests
    signature_uses: SignatureUses
    be_busy: Callable[[bool], None]
    unprocessed: Callable[[], Awaitable[int]]


class WatchedDatabase(Database):
    """Counts its commits, and is busy once there were `allowed` of them."""

    commits = 0
    allowed = float("inf")

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        self._refuse_beyond()
        async with super().writing() as connection:
            yield connection
        self.commits += 1

    async def write(self, transact: Callable[[Connection], T]) -> T:
        self._refuse_beyond()
        result = await super().write(transact)
        self.commits += 1
        return result

    def _refuse_beyond(self) -> None:
        if self.commits >= self.allowed:
            raise TryLater("busy")


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlPorts(Ports):
    url: str
    database: WatchedDatabase


async def empty_database(folder: Path) -> str:
    """The URL of a new database with all tables, in a test's own `folder`.

    To make the tables takes ten times as long as to copy a file that has them: the first test makes
    it, in the folder that holds those of all tests.
    """
    template = folder.parent / "empty.db"
    if not template.exists():
        unfinished = template.with_suffix(".unfinished")
        database = Database(_url(unfinished), clock=FakeClock(NOW))
        await create_schema(database)
        await database.close()
        unfinished.rename(template)
    return _url(copyfile(template, folder / "espalier.db"))


def _url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


@asynccontextmanager
async def over_sql(
    folder: Path, kind: type[WatchedDatabase] = WatchedDatabase
) -> AsyncIterator[SqlPorts]:
    url, clock = await empty_database(folder), FakeClock(NOW)
    database = kind(url, clock=clock)
    try:
        yield _sql_ports(database, url, clock)
    finally:
        await database.close()


def _sql_ports(database: WatchedDatabase, url: str, clock: FakeClock) -> SqlPorts:
    def be_busy(is_so: bool) -> None:
        database.allowed = database.commits if is_so else float("inf")

    async def unprocessed() -> int:
        found = select(func.count()).select_from(schema.unprocessed_events)
        async with database.reading() as connection:
            return int((await connection.execute(found)).scalar_one())

    log = SqlEventLog(database)
    return SqlPorts(
        clock=clock,
        providers=SqlProviderRepository(database, SecretBox(b"k" * 32)),
        campaigns=SqlCampaignRepository(database),
        suppressions=SqlSuppressionRepository(database),
        queue=SqlWorkQueue(database),
        log=log,
        search=log,
        limiter=SqlLimiter(database),
        tests=SqlTestMessages(database),
        esp_messages=SqlEspMessages(database),
        kept_requests=SqlKeptRequests(database),
        signature_uses=SqlSignatureUses(database),
        be_busy=be_busy,
        unprocessed=unprocessed,
        url=url,
        database=database,
    )


def over_fake(store: Store) -> Ports:
    def be_busy(is_so: bool) -> None:
        store.failure = TryLater("busy") if is_so else None

    async def unprocessed() -> int:
        return len(store.unprocessed)

    log = FakeEventLog(store)
    return Ports(
        clock=store.clock,
        providers=FakeProviderRepository(store),
        campaigns=FakeCampaignRepository(store),
        suppressions=FakeSuppressionRepository(store),
        queue=FakeWorkQueue(store),
        log=log,
        search=log,
        limiter=FakeLimiter(store),
        tests=FakeTestMessages(store),
        esp_messages=FakeEspMessages(store),
        kept_requests=FakeKeptRequests(store),
        signature_uses=FakeSignatureUses(store),
        be_busy=be_busy,
        unprocessed=unprocessed,
    )
