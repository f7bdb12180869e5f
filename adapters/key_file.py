"""The installation's master key, kept in a file, and the keys that are derived from it.

Whoever loses this file loses the stored passwords and header values, and the message ids that are
on their way can no longer be attributed. So the file is never overwritten, and a damaged one stops
the start.
"""

import os
import secrets
import stat
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


class KeyFileRefused(Exception):
    """The key file cannot be used; the text says why and what to do."""

    def __init__(self, path: Path, message: str) -> None:
        self.path = path
        super().__init__(f"key file {path}: {message}")


def load(path: Path) -> bytes:
    """The 32 bytes in `path`, for data that was made with them. Raises KeyFileRefused."""
    try:
        return _read(path)
    except FileNotFoundError as error:
        raise KeyFileRefused(
            path,
            "it is not there, and the database has its key already, which no new one can replace; "
            "put the file back from a backup, or give the key by secret_key",
        ) from error
    except OSError as error:
        raise KeyFileRefused(path, f"it cannot be read ({error.strerror})") from error


def load_or_create(path: Path) -> bytes:
    """The 32 bytes in `path`; where there is no file yet, one is made with random bytes.

    Processes that start at once all get the same key. Raises KeyFileRefused.
    """
    try:
        if not os.path.lexists(path):
            _create(path)
        return _read(path)
    except OSError as error:
        raise KeyFileRefused(path, f"it cannot be read or made ({error.strerror})") from error


def derive(master: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose; keys of different purposes tell nothing of each other.

    HKDF with SHA-256 (RFC 5869). It needs no salt, since the master key is random already.
    """
    info = b"espalier/1/" + purpose.encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(master)


def _create(path: Path) -> None:
    """Puts a whole file in place or leaves the one that another process put there meanwhile."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write_new(draft, secrets.token_bytes(KEY_BYTES))
        # Unlike a rename, a link never replaces a file, and nobody sees it half written.
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Without this a power cut may take the name away while rows made with the key stay."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    # Non-blocking, since opening a named pipe would otherwise wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        # Of the open file, so that nobody can exchange it between check and read.
        _check_status(path, os.fstat(descriptor))
        return os.read(descriptor, KEY_BYTES)
    finally:
        os.close(descriptor)


def _check_status(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileRefused(path, "it is no ordinary file; move it away or name another data_dir")
    if status.st_mode & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise KeyFileRefused(
            path, f"others than its owner have access (mode {mode}); run: chmod 600 '{path}'"
        )
    if status.st_size != KEY_BYTES:
        raise KeyFileRefused(
            path,
            f"it holds {status.st_size} bytes where a key has {KEY_BYTES}; restore it from a "
            "backup (a new key cannot read the secrets stored with the old one)",
        )
