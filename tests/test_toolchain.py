"""The gates that are not ruff, mypy or a test of behaviour: each runs here, and only here."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
BESIDE_PYTHON = Path(sys.executable).parent
SHIPPED = {"domain": ".", "services": ".", "adapters": ".", "entrypoints": ".", "espalier": "proto"}

# `name==version`, perhaps a marker, then one line for each hash; comments are gone by then.
LOCKED = re.compile(
    r"(?P<name>[a-z0-9._-]+)==(?P<version>[\w.!+]+)(?: ; [^\n]*?)?"
    r"(?: \\\n    --hash=sha256:[0-9a-f]{64})+"
)
# A home folder, or one of the folders where build machines keep their checkouts.
SOMEBODYS_FOLDER = re.compile(r"(?<![\w.:/])/(?:home|Users|root|work)/\w|\b[A-Z]:\\{1,2}Users\b")


def lock_entries() -> list[str]:
    """The lock file's requirements, each with its hashes, less the comments."""
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    return re.split(r"(?<!\\)\n", text)


def locked_versions() -> dict[str, str]:
    """Version by normalised name."""
    found = [LOCKED.fullmatch(entry) for entry in lock_entries()]
    return {match["name"]: match["version"] for match in found if match}


def declared() -> list[Requirement]:
    """What pyproject.toml asks for: to run, to test, and to build."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    runtime = project["project"]["dependencies"]
    dev = project["project"]["optional-dependencies"]["dev"]
    return [Requirement(line) for line in [*runtime, *dev, *project["build-system"]["requires"]]]


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Runs a gate; where it finds fault, what it printed is the test's failure."""
    done = subprocess.run(
        command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
    return done.stdout


def repository_files() -> list[Path]:
    """Every file that git holds or would take up, as absolute paths."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    paths = (ROOT / name for name in listed.split("\0") if name)
    return [path for path in paths if path.is_file()]


def test_the_lock_pins_each_package_to_a_version_and_its_hashes() -> None:
    assert [entry for entry in lock_entries() if not LOCKED.fullmatch(entry)] == []


def test_the_lock_names_no_place_to_download_from() -> None:
    text = (ROOT / "requirements.lock").read_text("utf-8")
    assert "://" not in text
    assert re.findall(r"--(?!hash=)[\w-]+", text) == []


def test_the_lock_satisfies_pyproject() -> None:
    versions = locked_versions()
    unmet = [
        f"{wanted} (run `make lock`)"
        for wanted in declared()
        if (version := versions.get(canonicalize_name(wanted.name))) is None
        or not wanted.specifier.contains(version)
    ]
    assert unmet == []


def test_grpc_and_its_code_generator_are_one_release() -> None:
    family = {name: v for name, v in locked_versions().items() if re.match(r"grpcio(-|$)", name)}
    assert set(family) >= {"grpcio", "grpcio-tools"}
    assert len(set(family.values())) == 1, family


def test_the_generated_code_is_what_the_generator_makes() -> None:
    run(sys.executable, ROOT / "proto" / "generate.py", "--check")


def test_the_api_follows_the_rules_for_proto_files() -> None:
    run(BESIDE_PYTHON / "buf", "lint", cwd=ROOT / "proto")


def test_imports_keep_to_the_layers() -> None:
    run(BESIDE_PYTHON / "lint-imports", "--no-cache", "--no-logo")


def test_the_wheel_holds_every_file_of_every_package(tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    expected = {
        path.relative_to(ROOT / source).as_posix()
        for package, source in SHIPPED.items()
        for path in (ROOT / source / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_no_file_mentions_a_folder_of_somebodys_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in repository_files()
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if SOMEBODYS_FOLDER.search(line)
    ]
    assert found == []
