"""What databases are opened, and in which words the others are refused."""

import re
import stat
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.sql.opening import DatabaseRefused, file_of, open_database
from tests.fakes.clock import FakeClock


def sqlite(path: Path | str, query: str = "") -> str:
    return f"sqlite+aiosqlite:///{path}{query}"


async def opened(url: str) -> None:
    """Opens it, and closes it again."""
    await (await open_database(url, clock=FakeClock())).close()


async def refusal(url: str) -> str:
    with pytest.raises(DatabaseRefused) as caught:
        await opened(url)
    return str(caught.value)


async def run(url: str, *statements: str) -> None:
    """Opens it, and leaves it as the statements make it."""
    database = await open_database(url, clock=FakeClock())
    async with database.writing() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await database.close()


async def test_a_new_database_has_the_present_schema_and_opens_again(tmp_path: Path) -> None:
    url = sqlite(tmp_path / "mail.db")
    await run(url, "UPDATE installation SET last_position = 7")
    database = await open_database(url, clock=FakeClock())
    async with database.reading() as connection:
        assert await connection.scalar(text("SELECT last_position FROM installation")) == 7
    await database.close()


async def test_only_the_owner_can_read_a_new_file_and_its_journals(tmp_path: Path) -> None:
    database = await open_database(sqlite(tmp_path / "mail.db"), clock=FakeClock())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    await database.close()
    assert modes == {"mail.db": 0o600, "mail.db-wal": 0o600, "mail.db-shm": 0o600}


async def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    path.touch()
    path.chmod(0o640)
    await opened(sqlite(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "it is no SQLAlchemy URL"),
        ("/data/mail.db", "it is no SQLAlchemy URL"),
        ("postgresql+asyncpg://u:hunter2@h:port/d", "it is no SQLAlchemy URL"),
        ("postgresql+asyncpg://u:hun@ter2:2@h/d", "it is no SQLAlchemy URL"),
        ("mysql+aiomysql://u:hunter2@h/d", "driver is not installed (No module named 'aiomysql')"),
        ("postgres://u:hunter2@h/d", "Can't load plugin: sqlalchemy.dialects:postgres"),
        ("sqlite:////x.db", "The loaded 'pysqlite' is not async"),
        ("sqlite+aiosqlite://", "a database in memory ends with its process"),
        ("sqlite+aiosqlite:///:memory:", "a database in memory ends with its process"),
        ("sqlite+aiosqlite:///file:x?mode=memory&uri=true", "a database in memory ends"),
        ("sqlite+aiosqlite://data/mail.db", "write three slashes and then the path of the file"),
        ("sqlite+aiosqlite://u:hunter2@/mail.db", "a SQLite URL has no host"),
        ("sqlite+aiosqlite:////x.db?timeout=hunter2", "does not take what stands behind the ?"),
        ("sqlite+aiosqlite:////x.db?timeout=1&timeout=2", "does not take what stands behind the ?"),
    ],
)
async def test_a_url_that_cannot_be_used_is_refused_and_no_password_is_shown(
    url: str, said: str
) -> None:
    told = await refusal(url)
    assert said in told
    assert "hunter2" not in told
    assert "ter2" not in told
    assert "\n" not in told


async def test_a_folder_that_is_not_there_is_named_and_not_made(tmp_path: Path) -> None:
    url = sqlite(tmp_path / "gone" / "mail.db")
    assert await refusal(url) == (
        f"{url} cannot be opened (there is no folder {tmp_path / 'gone'}; make it)"
    )
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    url = sqlite(tmp_path)
    assert await refusal(url) == f"{url} cannot be opened (it is a folder; name a file in it)"


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ada, this is no database.\n" * 100)
    url = sqlite(path)
    assert await refusal(url) == f"{url} cannot be opened (file is not a database)"
    assert path.read_text() == "Dear Ada, this is no database.\n" * 100


async def test_a_database_that_may_only_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    await opened(sqlite(path))
    # Also for root, who may write to every file.
    told = await refusal(sqlite(f"file:{path}", "?mode=ro&uri=true"))
    assert told.endswith(f"{path} cannot be written (attempt to write a readonly database)")


async def test_a_schema_of_a_later_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    url = sqlite(tmp_path / "mail.db")
    await run(url, "UPDATE alembic_version SET version_num = '9999'")
    before = (tmp_path / "mail.db").read_bytes()
    told = await refusal(url)
    assert told.startswith(f"{url} has a schema that this version does not know (")
    assert "'9999'" in told
    assert told.endswith("start the version that it was last used with, or a later one")
    assert (tmp_path / "mail.db").read_bytes() == before


async def test_tables_of_another_program_are_refused_and_nothing_is_added(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    url = sqlite(path)
    await run(url, "DROP TABLE alembic_version")
    told = await refusal(url)
    assert re.search(
        r"cannot be brought to the schema of this version \(table \w+ already exists\)$", told
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://u:hunter2@h/d",
        "postgresql+asyncpg://h/d?password=hunter2",
        "sqlite+aiosqlite:///DATA/gone/x.db?password=hunter2",
    ],
)
@pytest.mark.filterwarnings("ignore:Query string argument")
async def test_no_refusal_shows_a_password(tmp_path: Path, url: str) -> None:
    assert "hunter2" not in await refusal(url.replace("DATA", str(tmp_path)))


@pytest.mark.filterwarnings("ignore:Query string argument")
async def test_a_password_that_the_driver_repeats_is_hidden(tmp_path: Path) -> None:
    query = "?mode=hunter2&password=hunter2&uri=true"
    told = await refusal(sqlite(f"file:{tmp_path / 'mail.db'}", query))
    assert told.endswith("cannot be opened (no such access mode: ***)")


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite+aiosqlite:////data/mail.db", Path("/data/mail.db")),
        ("sqlite+aiosqlite:////data/mail.db?timeout=5", Path("/data/mail.db")),
        ("sqlite+aiosqlite:////da%25ta/mail.db", Path("/da%ta/mail.db")),
        ("sqlite+aiosqlite:///mail.db", Path("mail.db")),
        ("sqlite+aiosqlite://", None),
        ("sqlite+aiosqlite:///:memory:", None),
        ("sqlite+aiosqlite:///file:/data/mail.db?uri=true", None),
        ("postgresql+asyncpg://h/mail.db", None),
        ("mail.db", None),
        ("postgresql+asyncpg://h:port/mail.db", None),
    ],
)
def test_the_file_of_a_database_is_known_only_for_sqlite(url: str, file: Path | None) -> None:
    assert file_of(url) == file
