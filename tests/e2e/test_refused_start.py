"""A start that a setting stops, through the real command: one line says which and what to do."""

from pathlib import Path

import pytest

from tests.e2e.serving import environment, refused

_A_FOLDER = Path(__file__).parent
_A_FILE = Path(__file__)


@pytest.mark.parametrize(
    ("setting", "value", "code", "said"),
    [
        (
            "ESPALIER_DATABASE_URL",
            "postgres://u:hunter2@h/d",
            2,
            "ESPALIER_DATABASE_URL: the value is not allowed; it must be a SQLAlchemy URL with an "
            "async driver, such as sqlite+aiosqlite:////data/mail.db; begin this one with "
            "postgresql+asyncpg://",
        ),
        (
            "ESPALIER_DATABASE_URL",
            "sqlite:////x.db",
            2,
            "ESPALIER_DATABASE_URL: the value is not allowed; it must be a SQLAlchemy URL with an "
            "async driver, such as sqlite+aiosqlite:////data/mail.db; begin this one with "
            "sqlite+aiosqlite://",
        ),
        (
            "ESPALIER_DATABASE_URL",
            "mysql+aiomysql://u:hunter2@h/d",
            1,
            "database_url: its driver is not installed (No module named 'aiomysql'); install it "
            "where espalier is installed",
        ),
        (
            "ESPALIER_DATABASE_URL",
            "sqlite+aiosqlite:////x.db?timeout=hunter2",
            1,
            "database_url: its driver does not take what stands behind the ? of it",
        ),
        (
            "ESPALIER_DATABASE_URL",
            f"sqlite+aiosqlite:///{_A_FOLDER}",
            1,
            f"database_url: sqlite+aiosqlite:///{_A_FOLDER} cannot be opened (it is a folder; "
            "name a file in it)",
        ),
        (
            "ESPALIER_DATA_DIR",
            f"{_A_FILE}",
            1,
            f"data_dir: {_A_FILE} cannot be made (File exists)",
        ),
        (
            "ESPALIER_CALLBACK_ADDRESS",
            "a..b:8080",
            1,
            "callback_address a..b:8080 cannot be listened on (that is no host's name)",
        ),
    ],
)
async def test_a_wrong_setting_stops_the_start_with_one_line(
    tmp_path: Path, setting: str, value: str, code: int, said: str
) -> None:
    assert await refused(environment(tmp_path, **{setting: value})) == (
        code,
        f"espalier: {said}\n",
    )
