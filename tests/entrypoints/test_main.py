"""`espalier` itself: what every use of it waits for, down to the Tab key."""

import asyncio
import sys

import pytest

# They take most of a second to import, and only what runs a server or sends needs them.
HEAVY = {"aiohttp", "alembic", "pycurl", "pydantic_settings", "sqlalchemy", "structlog", "uvloop"}


async def modules_after(code: str) -> set[str]:
    """What a new interpreter has imported once it has run `code`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    return set(said.decode().split())


async def test_the_command_is_there_without_what_only_a_service_needs() -> None:
    modules = await modules_after("import entrypoints.main")
    assert "entrypoints.cli.send" in modules
    assert modules.isdisjoint(HEAVY)


@pytest.mark.parametrize("command", ["serve", "dispatch", "simulate-esp", "demo", ""])
async def test_help_is_light_too(command: str) -> None:
    arguments = [*command.split(), "--help"]
    modules = await modules_after(
        f"from entrypoints.main import app\napp({arguments}, standalone_mode=False)"
    )
    assert modules.isdisjoint(HEAVY)
