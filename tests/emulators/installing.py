"""The emulators' packages, installed once for each package-lock.json."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
_FILES: Final = ("package.json", "package-lock.json")
# Without the packages' own scripts, of which none is needed. A registry that does not answer makes
# the tests skip, so there is no long wait for it.
_INSTALL: Final = (
    *("npm", "ci", "--ignore-scripts", "--engine-strict", "--prefer-offline", "--loglevel=error"),
    *("--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000"),
)
_SECONDS: Final = 180
# Other bytes than package-lock.json says; package.json says something else than it does.
_OUR_FAULTS: Final = ("EINTEGRITY", "EUSAGE")


class CannotInstall(Exception):
    """There is nothing to run the emulators with; the message says what, in a sentence."""


def installed() -> Path:
    """The folder `node_modules` with the emulators in it. It is outside of the repository.

    The first call on a machine fetches 210 packages, in half a minute. CannotInstall: Node, npm or
    the registry is missing, or Node is too old.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise CannotInstall(f"{program} is not installed; the emulators of ESPs need it")
    folder = _cache() / _fingerprint()
    if not folder.exists():
        _install(folder)
    return folder / "node_modules"


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "espalier-emulators"


def _fingerprint() -> str:
    """Changes with what is to be installed."""
    digest = hashlib.sha256(b"\0".join((_HERE / name).read_bytes() for name in _FILES))
    return digest.hexdigest()[:16]


def _install(folder: Path) -> None:
    """All of it or nothing: what broke off, or was overtaken by another run, leaves no trace."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as made:
        fresh = Path(made) / "fresh"
        fresh.mkdir()
        for name in _FILES:
            shutil.copy(_HERE / name, fresh)
        _run_npm(fresh)
        try:
            fresh.rename(folder)
        except OSError:
            # Another run was first.
            if not folder.exists():
                raise


def _run_npm(folder: Path) -> None:
    try:
        npm = subprocess.run(
            _INSTALL, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise CannotInstall(f"npm did not install the emulators in {_SECONDS} seconds") from None
    if npm.returncode:
        found = re.search(r"error code (\w+)", npm.stderr)
        code = found[1] if found else f"exit code {npm.returncode}"
        if code in _OUR_FAULTS:
            raise AssertionError(f"{_HERE} and what the registry has do not agree:\n{npm.stderr}")
        raise CannotInstall(f"npm cannot install the emulators of ESPs ({code})")
