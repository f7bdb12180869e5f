"""Reading the files that a message is made of."""

from __future__ import annotations

from pathlib import Path

from entrypoints.cli.failures import EXIT_INVALID, Failure


def read_text(path: Path | None) -> str:
    """Return a file's text, empty for no file. Failure: it cannot be read or is not UTF-8."""
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.", EXIT_INVALID) from error
    except UnicodeDecodeError as error:
        raise Failure(
            f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8.", EXIT_INVALID
        ) from error
