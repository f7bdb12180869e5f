"""The master key's file, on a real file system and with real processes."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.key_file import KeyFileRefused, derive, load_or_create


def key_file(folder: Path, *, content: bytes = b"k" * 32, mode: int = 0o600) -> Path:
    path = folder / "secret.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_the_first_start_makes_a_key_that_the_second_start_reads(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "secret.key"
    first = load_or_create(path)
    assert len(first) == 32
    assert load_or_create(path) == first


def test_two_installations_have_different_keys(tmp_path: Path) -> None:
    assert load_or_create(tmp_path / "one") != load_or_create(tmp_path / "two")


def test_only_the_owner_can_read_a_new_file_and_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret.key"
    load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_nothing_is_left_beside_the_key(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    load_or_create(path)
    assert list(tmp_path.iterdir()) == [path]


# Each waits for the end of its input, so that all of them start at once.
RACER = """
import sys
from pathlib import Path
from adapters.key_file import load_or_create
print("ready", flush=True)
sys.stdin.read()
print(load_or_create(Path(sys.argv[1])).hex())
"""


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret.key"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
        racer.stdin = None
    keys = {racer.communicate(timeout=60)[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0] * 4
    assert keys == {path.read_bytes().hex() + "\n"}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o660])
def test_a_file_that_others_can_reach_is_refused_with_the_way_out(
    tmp_path: Path, mode: int
) -> None:
    path = key_file(tmp_path, mode=mode)
    with pytest.raises(KeyFileRefused, match=re.escape(f"(mode {mode:04o}); run: chmod 600")):
        load_or_create(path)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_file_of_another_size_is_refused_and_left_alone(tmp_path: Path, size: int) -> None:
    path = key_file(tmp_path, content=b"k" * size)
    with pytest.raises(KeyFileRefused, match=f"it holds {size} bytes where a key has 32"):
        load_or_create(path)
    assert path.read_bytes() == b"k" * size


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileRefused, match="no ordinary file"):
        load_or_create(tmp_path)


def test_a_named_pipe_in_the_place_of_the_file_is_refused_and_not_waited_for(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "secret.key", 0o600)
    with pytest.raises(KeyFileRefused, match="no ordinary file"):
        load_or_create(tmp_path / "secret.key")


def test_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.symlink_to(tmp_path / "gone")
    with pytest.raises(KeyFileRefused, match="No such file"):
        load_or_create(path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyFileRefused, match=r"Not a directory|File exists"):
        load_or_create(tmp_path / "file" / "secret.key")


def test_a_refusal_does_not_show_the_key(tmp_path: Path) -> None:
    path = key_file(tmp_path, content=b"visible" * 5)
    with pytest.raises(KeyFileRefused) as caught:
        load_or_create(path)
    assert "visible" not in str(caught.value)


def test_each_purpose_has_a_key_of_its_own() -> None:
    master = b"m" * 32
    keys = {derive(master, purpose) for purpose in ("message-ids", "secrets", "callbacks")}
    assert len(keys) == 3
    assert {len(key) for key in keys} == {32}
    assert master not in keys


def test_a_derived_key_stays_the_same_from_version_to_version() -> None:
    """Stored secrets and message ids in the ESPs' hands depend on it."""
    assert derive(bytes(range(32)), "message-ids").hex() == (
        "954b15b0cb326f5acb33b5474bc8c2071b96db867c8c9b074a3f63525140f5e0"
    )


def test_another_master_key_gives_other_keys() -> None:
    assert derive(b"a" * 32, "secrets") != derive(b"b" * 32, "secrets")
