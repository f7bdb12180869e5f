"""README.md says what is so, and its commands work as they are written."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from domain import provider_rules
from entrypoints.cli.provider_file import read_provider_file
from entrypoints.convert.provider import read_provider
from entrypoints.settings import markdown_table
from tests.support import free_port

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
# Ends what the commands leave in the background, whatever becomes of them.
_AND_END: Final = "set -e\ntrap 'kill $(jobs -p) && wait' EXIT\n"
_WITHIN: Final = 100.0


def test_the_readme_has_the_table_of_settings_as_it_is() -> None:
    assert markdown_table().strip() in README


def test_the_readme_says_what_each_dependency_is_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {Requirement(each).name.lower() for each in wanted}
    section = README.partition("## What it is made of")[2]
    rows = re.findall(r"^\| (.+?) \|", section, flags=re.MULTILINE)
    told = {name for row in rows for name in row.split(", ")} - {"library", "tool"}
    assert {name for name in names if not name.startswith("types-")} == told - {"types-*"}
    assert "types-*" in told


def test_the_file_that_describes_an_esp_is_one_with_nothing_wrong(tmp_path: Path) -> None:
    path = tmp_path / "sender.yaml"
    path.write_text(_block("yaml", 1), encoding="utf-8")
    environment = {"SENDER_KEY": "k3y-of-sender", "SENDER_WEBHOOK_SECRET": "s3cret"}
    wanted = read_provider(read_provider_file(path, environment).provider)
    assert wanted.faults == ()
    assert provider_rules.check(wanted.config) == ([], [])


def _block(language: str, index: int = 0) -> str:
    """A block of the README in this language, by its place among them."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) > index
    return str(blocks[index])


def _environ(esp_port: int) -> dict[str, str]:
    """Free ports in place of the usual ones, which may be taken on this machine."""
    api = f"127.0.0.1:{free_port()}"
    ours = ("ESPALIER_", "SIMULATED_ESP_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "ESPALIER_ADDRESS": api,
        "ESPALIER_GRPC_ADDRESS": api,
        "ESPALIER_CALLBACK_ADDRESS": f"127.0.0.1:{free_port()}",
        "ESPALIER_DISPATCHERS": "1",
        "SIMULATED_ESP_PORT": str(esp_port),
    }


async def _run(script: str, folder: Path, environ: dict[str, str]) -> tuple[int | None, str, str]:
    """The exit code of bash and what was said; nothing of it runs on."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", script),
        cwd=folder,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_WITHIN):
            out, err = await process.communicate()
    finally:
        # Its session is its own, so that this reaches its children and nobody else.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out.decode(), err.decode()


async def test_the_first_use_works_as_it_is_written(tmp_path: Path) -> None:
    esp_port = free_port()
    assert (Path(sys.prefix) / "bin" / "activate").exists(), "the tests run in the project's .venv"
    (tmp_path / ".venv").symlink_to(sys.prefix)
    provider = _block("yaml").replace("http://127.0.0.1:8025/", f"http://127.0.0.1:{esp_port}/")
    assert str(esp_port) in provider
    (tmp_path / "acme.yaml").write_text(provider)

    code, out, err = await _run(_AND_END + _block("sh"), tmp_path, _environ(esp_port))
    assert code == 0, f"{out}\n{err}"
    said = [" ".join(line.split()) for line in out.splitlines()]
    assert "Provider acme is created." in said
    assert "Taken by provider 2 (100.0%)" in said
    assert {"ada@example.com", "grace@example.com"} <= set(out.split())
    assert "Authorization: ***" in out
    assert "HTTP 200" in said
    assert any(line.startswith("The provider accepted message ") for line in said)
