"""What stops a start before anything listens: the folder, the database, and its key."""

import stat
from pathlib import Path

import pytest

from entrypoints.bootstrap import CannotStart, parts
from entrypoints.settings import Settings
from entrypoints.settings_loader import load

KEY = "ab" * 32


def settings(folder: Path, **more: str) -> Settings:
    return load({"ESPALIER_DATA_DIR": str(folder), **more})


async def started(chosen: Settings) -> None:
    async with parts(chosen) as made:
        assert await made.log.head() == 0


async def refusal(chosen: Settings) -> str:
    with pytest.raises(CannotStart) as caught:
        await started(chosen)
    return str(caught.value)


async def test_the_first_start_makes_what_is_missing_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    async with parts(settings(folder)):
        made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert made == dict.fromkeys(
        ["espalier.db", "espalier.db-wal", "espalier.db-shm", "secret.key"], 0o600
    )


async def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    await started(settings(tmp_path))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


async def test_no_folder_is_made_where_the_database_and_the_key_are_elsewhere(
    tmp_path: Path,
) -> None:
    (tmp_path / "other").mkdir()
    await started(
        settings(
            tmp_path / "data",
            ESPALIER_SECRET_KEY=KEY,
            ESPALIER_DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path / 'other' / 'mail.db'}",
        )
    )
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


@pytest.mark.parametrize("below", ["", "below"])
async def test_a_file_in_the_place_of_the_folder_stops_the_start(
    tmp_path: Path, below: str
) -> None:
    (tmp_path / "data").touch()
    folder = tmp_path / "data" / below
    assert (await refusal(settings(folder))).startswith(f"data_dir: {folder} cannot be made (")


async def test_a_database_that_is_none_stops_the_start_and_gets_no_key(tmp_path: Path) -> None:
    path = tmp_path / "espalier.db"
    path.write_text("no database\n" * 100)
    assert await refusal(settings(tmp_path)) == (
        f"database_url: sqlite+aiosqlite:///{path} cannot be opened (file is not a database)"
    )
    assert not (tmp_path / "secret.key").exists()


async def test_a_key_file_that_is_lost_is_not_replaced_and_the_way_out_is_told(
    tmp_path: Path,
) -> None:
    await started(settings(tmp_path))
    path = tmp_path / "secret.key"
    key = path.read_bytes()
    path.unlink()
    assert await refusal(settings(tmp_path)) == (
        f"key file {path}: it is not there, and the database has its key already, which no new "
        "one can replace; put the file back from a backup, or give the key by secret_key"
    )
    assert not path.exists()
    await started(settings(tmp_path, ESPALIER_SECRET_KEY=key.hex()))


async def test_a_key_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    await started(settings(tmp_path))
    path = tmp_path / "secret.key"
    path.unlink()
    path.symlink_to(path)
    told = await refusal(settings(tmp_path))
    assert told.startswith(f"key file {path}: it cannot be read (")


async def test_a_key_file_that_others_can_read_stops_the_first_start(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(b"k" * 32)
    path.chmod(0o644)
    told = await refusal(settings(tmp_path))
    assert told.startswith(f"key file {path}: others than its owner have access (mode 0644)")


async def test_another_key_stops_the_start_and_shows_in_no_text(tmp_path: Path) -> None:
    await started(settings(tmp_path))
    told = await refusal(settings(tmp_path, ESPALIER_SECRET_KEY=KEY))
    assert told.startswith("the master key is not the one that this database was made with")
    assert KEY not in told


async def test_a_key_that_is_given_makes_no_key_file(tmp_path: Path) -> None:
    await started(settings(tmp_path, ESPALIER_SECRET_KEY=KEY))
    assert not (tmp_path / "secret.key").exists()
