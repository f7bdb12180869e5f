"""Everything that is set when the service starts, as data; `settings_loader` reads it.

A setting comes from the environment (`ESPALIER_DATA_DIR`) or from a TOML file (`data_dir`), which
`--config` or ESPALIER_CONFIG names; the environment wins. A wrong or unknown one stops the start,
and all of them are reported together.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from entrypoints.setting_kinds import (
    Shown,
    as_text,
    check_address,
    check_base_url,
    check_certificates,
    check_database_url,
    check_folder,
    check_key_digits,
)

PREFIX = "ESPALIER_"


def _default_database(settings: Mapping[str, Any]) -> str:
    # In a URL a percent sign means the two digits behind it.
    folder = str(settings["data_dir"]).replace("%", "%25")
    return f"sqlite+aiosqlite:///{folder}/espalier.db"


def _default_public_url(settings: Mapping[str, Any]) -> str:
    return f"http://{settings['callback_address']}"


def _default_dispatchers() -> int:
    # One core is left to the API, the callbacks and the database.
    return max(1, min(16, (os.cpu_count() or 1) - 1))


class Settings(BaseSettings):
    """The settings of `espalier serve`; `settings_loader.load` makes them."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    data_dir: Annotated[
        Path, Shown(kind="a folder, without ? in it"), AfterValidator(check_folder)
    ] = Field(
        default=Path("espalier-data"),
        description="Where the database and the key file are; made at the first start.",
    )
    database_url: Annotated[
        str,
        Shown(
            kind="a SQLAlchemy URL with an async driver, such as sqlite+aiosqlite:////data/mail.db",
            default="sqlite+aiosqlite:///DATA_DIR/espalier.db",
            secret=True,
        ),
        AfterValidator(check_database_url),
    ] = Field(
        default_factory=_default_database,
        repr=False,
        description="The database that holds everything.",
    )
    grpc_address: Annotated[str, Shown(kind="HOST:PORT"), AfterValidator(check_address)] = Field(
        default="127.0.0.1:50051",
        description="Where the API listens; port 0 takes a free one.",
    )
    callback_address: Annotated[str, Shown(kind="HOST:PORT"), AfterValidator(check_address)] = (
        Field(
            default="127.0.0.1:8080",
            description="Where callbacks, /healthz and /readyz listen; port 0 takes a free one.",
        )
    )
    public_base_url: Annotated[
        str,
        Shown(
            kind="an http or https URL without query, fragment and user name",
            default="http://CALLBACK_ADDRESS",
            secret=True,  # A wrong one may hold a password.
        ),
        AfterValidator(check_base_url),
    ] = Field(
        default_factory=_default_public_url,
        description="Under which the providers reach the callback address; callback URLs start "
        "with it.",
    )
    secret_key: Annotated[
        Annotated[SecretStr, AfterValidator(check_key_digits)] | None,
        Shown(
            kind="64 hexadecimal digits (openssl rand -hex 32 makes them)",
            default="the key file DATA_DIR/secret.key",
            secret=True,
        ),
    ] = Field(
        default=None,
        description="The master key, which encrypts stored secrets and signs message ids. Keep a "
        "backup of it or of the key file.",
    )
    dispatchers: Annotated[
        int, Shown(kind="a whole number from 1 to 64", default="cores − 1, from 1 to 16")
    ] = Field(
        default_factory=_default_dispatchers,
        ge=1,
        le=64,
        description="How many processes send.",
    )
    callback_processes: Annotated[int, Shown(kind="a whole number from 1 to 64")] = Field(
        default=1,
        ge=1,
        le=64,
        description="How many processes answer callbacks; connections spread over them.",
    )
    callback_backlog_bytes: Annotated[
        int, Shown(kind="a whole number from 16777216 to 17179869184")
    ] = Field(
        # The least has room for one body of 2 MiB as objects; the default is a second's burst.
        default=64 * 1024 * 1024,
        ge=16 * 1024 * 1024,
        le=16 * 1024 * 1024 * 1024,
        description="How much memory callbacks that are not stored yet may take in each of those "
        "processes; what is beyond it is answered with 503 and Retry-After.",
    )
    max_grpc_message_bytes: Annotated[
        int, Shown(kind="a whole number from 65536 to 1073741824")
    ] = Field(
        # A chunk of 1,000 recipients with 25 KB of personal values each is 25 MB.
        default=32 * 1024 * 1024,
        ge=64 * 1024,
        le=1024 * 1024 * 1024,
        description="The longest gRPC message that the API takes, in bytes.",
    )
    log_format: Annotated[Literal["json", "console"], Shown(kind="json or console")] = Field(
        default="json", description="One JSON object a line, or lines for people."
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Shown(kind="debug, info, warning or error"),
    ] = Field(default="info", description="The least important messages that are logged.")
    allow_private_addresses: Annotated[bool, Shown(kind="true or false")] = Field(
        default=True,
        description="Whether requests may go to private and loopback addresses; false where "
        "those who configure providers should not reach your network.",
    )
    ca_file: Annotated[
        Annotated[Path, AfterValidator(check_certificates)] | None,
        Shown(kind="a PEM file with certificates", default="those that Mozilla trusts"),
    ] = Field(
        default=None,
        description="The certificates that ESPs are checked against, where a proxy or an ESP of "
        "your own has others.",
    )
    drain_seconds: Annotated[float, Shown(kind="a number from 0 to 3600")] = Field(
        default=30,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a stop waits for what is in flight.",
    )

    @property
    def key_file(self) -> Path:
        """Where the master key is kept, unless `secret_key` gives it."""
        return self.data_dir / "secret.key"

    def master_key(self) -> bytes | None:
        """The 32 bytes of `secret_key`, or None where the key file has them."""
        if self.secret_key is None:
            return None
        return bytes.fromhex(self.secret_key.get_secret_value())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what it is given: `load` reads the rest, and names faults as they were written."""
        return (init_settings,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table of settings; `name` is the file's, `variable` the environment's."""

    name: str
    variable: str
    kind: str
    default: str
    meaning: str
    secret: bool


def table() -> tuple[Row, ...]:
    """Every setting there is, in the order of the documentation."""
    return tuple(row(name) for name in Settings.model_fields)


def row(name: str) -> Row:
    """The row of one setting."""
    field = Settings.model_fields[name]
    shown = next(mark for mark in field.metadata if isinstance(mark, Shown))
    default = as_text(field.default)
    return Row(
        name=name,
        variable=PREFIX + name.upper(),
        kind=shown.kind,
        default=shown.default or str(default),
        meaning=field.description or "",
        secret=shown.secret,
    )


def markdown_table() -> str:
    """The table of the README: a heading line and one line for each setting."""
    lines = ["| setting | what it may be | default | meaning |", "|---|---|---|---|"]
    lines += [f"| `{one.name}` | {one.kind} | {one.default} | {one.meaning} |" for one in table()]
    return "\n".join(lines) + "\n"
