"""Settings: what is read from where, what is refused in which words, and the table of them."""

import subprocess
import sys
from pathlib import Path

import certifi
import pytest

from entrypoints.setting_kinds import host_and_port
from entrypoints.settings import Settings, markdown_table, table
from entrypoints.settings_loader import SettingsRefused, load

KEY = "00ff" * 16


def toml(folder: Path, text: str) -> Path:
    path = folder / "espalier.toml"
    path.write_text(text)
    return path


def faults(environ: dict[str, str], config: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsRefused) as caught:
        load(environ, config)
    return caught.value.faults


def test_with_nothing_set_the_defaults_hold() -> None:
    settings = load({})
    folder = Path.cwd() / "espalier-data"
    assert settings.model_dump(exclude={"dispatchers"}) == {
        "data_dir": folder,
        "database_url": f"sqlite+aiosqlite:///{folder}/espalier.db",
        "grpc_address": "127.0.0.1:50051",
        "callback_address": "127.0.0.1:8080",
        "public_base_url": "http://127.0.0.1:8080",
        "secret_key": None,
        "callback_processes": 1,
        "callback_backlog_bytes": 67108864,
        "max_grpc_message_bytes": 33554432,
        "log_format": "json",
        "log_level": "info",
        "allow_private_addresses": True,
        "ca_file": None,
        "drain_seconds": 30.0,
    }
    assert 1 <= settings.dispatchers <= 16


def test_the_environment_sets_everything() -> None:
    settings = load(
        {
            "ESPALIER_DATA_DIR": "/data",
            "ESPALIER_DATABASE_URL": "postgresql+asyncpg://u:p@db/mail",
            "ESPALIER_GRPC_ADDRESS": "[::1]:0",
            "ESPALIER_CALLBACK_ADDRESS": "0.0.0.0:80",
            "ESPALIER_PUBLIC_BASE_URL": "https://mail.example.com/esp/",
            "ESPALIER_SECRET_KEY": KEY,
            "ESPALIER_DISPATCHERS": "3",
            "ESPALIER_CALLBACK_PROCESSES": "2",
            "ESPALIER_CALLBACK_BACKLOG_BYTES": "16777216",
            "ESPALIER_MAX_GRPC_MESSAGE_BYTES": "65536",
            "ESPALIER_LOG_FORMAT": "console",
            "ESPALIER_LOG_LEVEL": "debug",
            "ESPALIER_ALLOW_PRIVATE_ADDRESSES": "false",
            "ESPALIER_CA_FILE": certifi.where(),
            "ESPALIER_DRAIN_SECONDS": "2.5",
        }
    )
    assert settings.master_key() == bytes.fromhex(KEY)
    assert settings.model_dump(exclude={"secret_key"}) == {
        "data_dir": Path("/data"),
        "database_url": "postgresql+asyncpg://u:p@db/mail",
        "grpc_address": "[::1]:0",
        "callback_address": "0.0.0.0:80",
        "public_base_url": "https://mail.example.com/esp",
        "dispatchers": 3,
        "callback_processes": 2,
        "callback_backlog_bytes": 16777216,
        "max_grpc_message_bytes": 65536,
        "log_format": "console",
        "log_level": "debug",
        "allow_private_addresses": False,
        "ca_file": Path(certifi.where()),
        "drain_seconds": 2.5,
    }


def test_the_database_and_the_key_file_follow_the_data_folder() -> None:
    settings = load({"ESPALIER_DATA_DIR": "/srv/mail"})
    assert settings.database_url == "sqlite+aiosqlite:////srv/mail/espalier.db"
    assert settings.key_file == Path("/srv/mail/secret.key")
    assert settings.master_key() is None


def test_the_public_url_follows_the_callback_address() -> None:
    settings = load({"ESPALIER_CALLBACK_ADDRESS": "127.0.0.1:9000"})
    assert settings.public_base_url == "http://127.0.0.1:9000"


def test_a_file_sets_what_the_environment_does_not(tmp_path: Path) -> None:
    path = toml(tmp_path, 'dispatchers = 4\nlog_level = "error"\nallow_private_addresses = false\n')
    settings = load({"ESPALIER_LOG_LEVEL": "debug"}, path)
    assert (settings.dispatchers, settings.log_level) == (4, "debug")
    assert settings.allow_private_addresses is False


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    path = toml(tmp_path, "dispatchers = 5")
    assert load({"ESPALIER_CONFIG": str(path)}).dispatchers == 5


def test_a_file_named_on_the_command_line_goes_before_that_of_the_environment(
    tmp_path: Path,
) -> None:
    path = toml(tmp_path, "dispatchers = 6")
    assert load({"ESPALIER_CONFIG": "/nowhere.toml"}, path).dispatchers == 6


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load({"ESPALIER_LOG_LEVEL": "", "ESPALIER_CONFIG": ""}).log_level == "info"


def test_variables_of_others_and_of_the_client_are_left_alone() -> None:
    assert load({"PATH": "/bin", "LOG_LEVEL": "loud", "ESPALIER_ADDRESS": "x:1"}) == load({})


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("ESPALIER_DATA_DIR", "/what?", "a folder, without ? in it"),
        ("ESPALIER_DATA_DIR", "~no-such-user-here/x", "a folder, without ? in it"),
        ("ESPALIER_GRPC_ADDRESS", "50051", "HOST:PORT"),
        ("ESPALIER_GRPC_ADDRESS", "localhost:65536", "HOST:PORT"),
        ("ESPALIER_GRPC_ADDRESS", "::1:50051", "HOST:PORT"),
        ("ESPALIER_CALLBACK_ADDRESS", "http://localhost:80", "HOST:PORT"),
        ("ESPALIER_DISPATCHERS", "0", "a whole number from 1 to 64"),
        ("ESPALIER_DISPATCHERS", "65", "a whole number from 1 to 64"),
        ("ESPALIER_DISPATCHERS", "two", "a whole number from 1 to 64"),
        ("ESPALIER_MAX_GRPC_MESSAGE_BYTES", "65535", "a whole number from 65536 to 1073741824"),
        ("ESPALIER_LOG_FORMAT", "xml", "json or console"),
        ("ESPALIER_LOG_LEVEL", "INFO", "debug, info, warning or error"),
        ("ESPALIER_ALLOW_PRIVATE_ADDRESSES", "maybe", "true or false"),
        ("ESPALIER_CA_FILE", __file__, "a PEM file with certificates"),
        ("ESPALIER_CA_FILE", "/nowhere.pem", "a PEM file with certificates"),
        ("ESPALIER_DRAIN_SECONDS", "-1", "a number from 0 to 3600"),
        ("ESPALIER_DRAIN_SECONDS", "nan", "a number from 0 to 3600"),
        ("ESPALIER_DRAIN_SECONDS", "inf", "a number from 0 to 3600"),
    ],
)
def test_a_wrong_variable_is_refused_with_its_name_and_what_is_allowed(
    variable: str, value: str, allowed: str
) -> None:
    assert faults({variable: value}) == (
        f"{variable}: {value!r} is not allowed; it must be {allowed}",
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ESPALIER_SECRET_KEY", "hunter2"),
        ("ESPALIER_SECRET_KEY", "hunter2" + "0" * 64),
        ("ESPALIER_DATABASE_URL", "hunter2@db/mail"),
        ("ESPALIER_PUBLIC_BASE_URL", "https://me:hunter2@example.com"),
        ("ESPALIER_PUBLIC_BASE_URL", "https://example.com/?token=hunter2"),
        ("ESPALIER_PUBLIC_BASE_URL", "https://example.com:hunter2/"),
        ("ESPALIER_PUBLIC_BASE_URL", "ftp://hunter2.example.com"),
    ],
)
def test_a_wrong_value_that_may_be_secret_is_not_repeated(variable: str, value: str) -> None:
    (fault,) = faults({variable: value})
    assert fault.startswith(f"{variable}: the value is not allowed; it must be ")
    assert "hunter2" not in fault


_DATABASE_URL = (
    "the value is not allowed; it must be a SQLAlchemy URL with an async driver, such as "
    "sqlite+aiosqlite:////data/mail.db"
)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:////data/mail.db", "sqlite+aiosqlite://"),
        ("sqlite+pysqlite:////data/mail.db", "sqlite+aiosqlite://"),
        ("sqlite+no_such:////data/mail.db", "sqlite+aiosqlite://"),
        ("postgres://u:hunter2@h/d", "postgresql+asyncpg://"),
        ("postgresql+psycopg2://u:hunter2@h/d", "postgresql+asyncpg://"),
    ],
)
def test_a_database_url_without_an_async_driver_is_told_how_to_begin(url: str, driver: str) -> None:
    (fault,) = faults({"ESPALIER_DATABASE_URL": url})
    assert fault == f"ESPALIER_DATABASE_URL: {_DATABASE_URL}; begin this one with {driver}"


@pytest.mark.parametrize(
    "url",
    [
        "/data/mail.db",
        "hunter2://data",
        "mysql+mysqldb://u:hunter2@h/d",
        "postgresql+asyncpg://u:hunter2@h:port/d",
    ],
)
def test_a_database_url_of_no_known_kind_is_told_what_it_must_be_alone(url: str) -> None:
    assert faults({"ESPALIER_DATABASE_URL": url}) == (f"ESPALIER_DATABASE_URL: {_DATABASE_URL}",)


@pytest.mark.parametrize(
    "url", ["postgresql+asyncpg://h/d", "postgresql+psycopg://h/d", "sqlite+aiosqlite:///mail.db"]
)
def test_a_database_url_whose_driver_can_be_async_is_taken_as_it_is(url: str) -> None:
    assert load({"ESPALIER_DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("dispatchers = true", "'true' is not allowed; it must be a whole number from 1 to 64"),
        ("dispatchers = [1]", "[1] is not allowed; it must be a whole number from 1 to 64"),
        ("log_format = 1", "'1' is not allowed; it must be json or console"),
        ("data_dir = {a = 1}", "{'a': 1} is not allowed; it must be a folder, without ? in it"),
        ("secret_key = 1234", "the value is not allowed; it must be 64 hexadecimal digits"),
    ],
)  # fmt: skip
def test_a_wrong_line_of_the_file_is_refused_with_its_name_and_the_file(
    tmp_path: Path, line: str, fault: str
) -> None:
    path = toml(tmp_path, line)
    (told,) = faults({}, path)
    assert told.startswith(f"{line.split()[0]} in {path}: {fault}")


@pytest.mark.parametrize("variable", ["ESPALIER_LOG_FORMT", "ESPALIER_log_format"])
def test_an_unknown_variable_is_refused_with_the_nearest_name(variable: str) -> None:
    (fault,) = faults({variable: "json"})
    assert fault.startswith(
        f"{variable}: there is no such setting (did you mean ESPALIER_LOG_FORMAT?); "
        "there are: ESPALIER_DATA_DIR, "
    )


@pytest.mark.parametrize("name", ["log_formt", "LOG_FORMAT"])
def test_an_unknown_name_in_the_file_is_refused_with_the_nearest_name(
    tmp_path: Path, name: str
) -> None:
    path = toml(tmp_path, f'{name} = "json"')
    (fault,) = faults({}, path)
    assert fault.startswith(
        f"{name} in {path}: there is no such setting (did you mean log_format?); "
        "there are: data_dir, "
    )


def test_a_name_like_none_that_there_is_gets_no_guess() -> None:
    (fault,) = faults({"ESPALIER_XYZZY": "1"})
    assert fault.startswith("ESPALIER_XYZZY: there is no such setting; there are: ")


def test_all_faults_are_reported_together(tmp_path: Path) -> None:
    path = toml(tmp_path, 'dispatchers = 0\nspeed = "high"\n')
    told = faults({"ESPALIER_DATA_DIR": "?", "ESPALIER_SPEED": "1"}, path)
    assert [fault.split(":")[0] for fault in told] == [
        f"speed in {path}",
        "ESPALIER_SPEED",
        "ESPALIER_DATA_DIR",
        f"dispatchers in {path}",
    ]


def test_a_wrong_setting_hides_behind_the_environment_that_replaces_it(tmp_path: Path) -> None:
    path = toml(tmp_path, "dispatchers = 0")
    assert load({"ESPALIER_DISPATCHERS": "2"}, path).dispatchers == 2


@pytest.mark.parametrize("content", [b"dispatchers = ", b"[dispatchers", b"log_level = '\xff'"])
def test_a_file_that_is_no_toml_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "espalier.toml"
    path.write_bytes(content)
    (fault,) = faults({}, path)
    assert fault.startswith(f"{path}: is no TOML: ")


def test_a_file_that_is_not_there_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "gone.toml"
    assert faults({"ESPALIER_CONFIG": str(path)}) == (
        f"{path}: cannot be read (No such file or directory)",
    )


def run_load(folder: Path, **environ: str) -> str:
    """What `load({})` says in a process of its own, with this folder and environment."""
    code = "from entrypoints.settings_loader import *\ntry: print(load({}).log_level)\n"
    code += "except SettingsRefused as error: print(error)"
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=path | environ,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_only_the_environment_that_it_is_given_counts(tmp_path: Path) -> None:
    assert run_load(tmp_path, ESPALIER_LOG_LEVEL="debug", LOG_LEVEL="debug") == "info\n"


def test_a_default_that_cannot_be_used_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "what?").mkdir()
    assert run_load(tmp_path / "what?") == (
        "ESPALIER_DATA_DIR: its default cannot be used here; set it to a folder, without ? in it\n"
    )


def test_no_secret_shows_in_the_settings_when_printed() -> None:
    settings = load(
        {"ESPALIER_SECRET_KEY": KEY, "ESPALIER_DATABASE_URL": "postgresql+asyncpg://u:hunter2@h/d"}
    )
    assert "hunter2" not in f"{settings} {settings!r}"
    assert KEY not in f"{settings} {settings!r} {settings.model_dump()}"


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("mail.example.com:0", ("mail.example.com", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_an_address_has_a_host_and_a_port(address: str, parts: tuple[str, int]) -> None:
    assert host_and_port(address) == parts


def test_every_setting_has_a_row_that_tells_all() -> None:
    rows = table()
    assert [row.name for row in rows] == list(Settings.model_fields)
    assert all(row.kind and row.default not in ("", "None") and row.meaning for row in rows)
    assert not any("PydanticUndefined" in row.default for row in rows)


def test_the_table_is_markdown_with_a_line_for_each_setting() -> None:
    heading, rule, *lines = markdown_table().splitlines()
    assert (heading.count("|"), rule.count("|")) == (5, 5)
    assert len(lines) == len(Settings.model_fields)
    assert {line.count("|") for line in lines} == {5}
    assert "| `grpc_address` | HOST:PORT | 127.0.0.1:50051 | Where the API listens; " in lines[2]
