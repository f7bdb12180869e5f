"""Reading recipients from CSV or JSON Lines, a chunk at a time, so that memory stays flat.

CSV: a heading with `email`, optionally `name`; every other column is a replacement of that name,
whose values are text. JSON Lines: an object a line with `email`, optionally `name` and
`replacements`, whose values keep their JSON types.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from entrypoints.cli.failures import EXIT_INVALID, Failure
from espalier.v1.common_pb2 import Recipient

# What the API calls a good size of a RecipientChunk.
CHUNK: Final = 1_000

# Beyond it a double skips integers: google.protobuf.Struct would change the number.
_EXACT_INTEGERS: Final = 2**53

_KEYS: Final = {"email", "name", "replacements"}
# What spreadsheets write instead of a comma, in some languages or when told to.
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs"}
_BOM: Final = b"\xef\xbb\xbf"


def read_chunks(path: Path, size: int = CHUNK) -> Iterator[list[Recipient]]:
    """Yield the file's recipients in order, in lists of at most `size`.

    Failure: the file cannot be read, is of another kind, or a line is not valid; it names
    `file:line`. What stood before that line has been yielded by then.
    """
    recipients = (recipient for _, recipient in read_with_lines(path))
    while chunk := list(islice(recipients, size)):
        yield chunk


def read_with_lines(path: Path) -> Iterator[tuple[int, Recipient]]:
    """Yield the file's recipients in order, each with the line (from 1) where it begins.

    Failure: as in read_chunks.
    """
    read = _reader_of(path)
    try:
        with path.open("rb") as file:
            yield from read(path, file)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.", EXIT_INVALID) from error


def _reader_of(path: Path) -> Callable[[Path, BinaryIO], Iterator[tuple[int, Recipient]]]:
    readers = {".csv": _read_csv, ".jsonl": _read_json_lines, ".ndjson": _read_json_lines}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise Failure(
            f"{path}: its name must end in .csv or .jsonl, to say what it holds.", EXIT_INVALID
        )
    return reader


def _read_csv(path: Path, file: BinaryIO) -> Iterator[tuple[int, Recipient]]:
    rows = csv.reader(_text_lines(path, file), strict=True)
    heading = _heading(path, next(_csv_rows(path, rows), (1, []))[1])
    for line, row in _csv_rows(path, rows):
        if not row:
            continue
        if len(row) != len(heading):
            raise _failure(
                path, line, f"it has {len(row)} values, and the heading {len(heading)} columns"
            )
        values = dict(zip(heading, row, strict=True))
        email, name = values.pop("email"), values.pop("name", "")
        yield line, _recipient(path, line, email, name, values)


def _csv_rows(path: Path, rows: Any) -> Iterator[tuple[int, list[str]]]:
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise _failure(path, line, f"not valid CSV: {error}") from error
        yield line, row


def _heading(path: Path, row: list[str]) -> list[str]:
    names = [name.strip() for name in row]
    if "email" not in names:
        text = f"the heading must have a column `email`{_way_to_a_heading(names)}"
        raise _failure(path, 1, text)
    for name in names:
        if not name or names.count(name) > 1:
            problem = f"column `{name}` stands there twice" if name else "a column has no name"
            raise _failure(path, 1, f"the heading is not valid: {problem}")
    return names


def _way_to_a_heading(names: list[str]) -> str:
    """Return what a heading without `email` needs, as the end of a sentence, if it can be seen."""
    for separator, plural in _SEPARATORS.items():
        if any(separator in name for name in names):
            return f"; separate columns with commas, not with {plural}"
    for name in names:
        if name.lower() == "email":
            return f"; write `{name}` as `email`, in lower case"
    if any("@" in name for name in names):
        return "; this line is a recipient already: put one such as `email,name` above it"
    return ""


def _read_json_lines(path: Path, file: BinaryIO) -> Iterator[tuple[int, Recipient]]:
    for line, text in enumerate(_text_lines(path, file), start=1):
        if not text.strip():
            continue
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise _failure(path, line, f"not valid JSON: {error}") from error
        yield line, _from_json(path, line, value)


def _from_json(path: Path, line: int, value: object) -> Recipient:
    if not isinstance(value, dict):
        raise _failure(path, line, "each line must be a JSON object")
    if unknown := [key for key in value if key not in _KEYS]:
        raise _failure(path, line, _about_key(unknown[0]))
    email, name = value.get("email"), value.get("name") or ""
    replacements = value.get("replacements") or {}
    if not isinstance(email, str) or not isinstance(name, str):
        raise _failure(path, line, "`email` must be given, and it and `name` must be strings")
    if not isinstance(replacements, dict):
        raise _failure(path, line, "`replacements` must be an object")
    if (number := inexact_integer(replacements)) is not None:
        raise _failure(path, line, f"{number} is too large for an exact number: make it a string")
    return _recipient(path, line, email, name, replacements)


def _about_key(key: str) -> str:
    lowered = key.lower()
    way_out = f"write it `{lowered}`" if lowered in _KEYS else "put it under `replacements`"
    return f"unknown key `{key}`: {way_out}"


def inexact_integer(value: object) -> int | None:
    """Return an integer within a JSON value that a double cannot hold for sure, if there is one."""
    if isinstance(value, int):
        return None if abs(value) <= _EXACT_INTEGERS else value
    if isinstance(value, dict):
        value = list(value.values())
    found = (inexact_integer(entry) for entry in value) if isinstance(value, list) else ()
    return next((number for number in found if number is not None), None)


def _recipient(
    path: Path, line: int, email: str, name: str, replacements: dict[str, Any]
) -> Recipient:
    if not email.strip():
        raise _failure(path, line, "the recipient has no email address")
    recipient = Recipient(email=email.strip(), name=name)
    if replacements:
        recipient.replacements.update(replacements)
    return recipient


def _text_lines(path: Path, file: BinaryIO) -> Iterator[str]:
    for line, raw in enumerate(file, start=1):
        try:
            yield (raw.removeprefix(_BOM) if line == 1 else raw).decode()
        except UnicodeDecodeError as error:
            raise _failure(path, line, "not UTF-8 text: save the file as UTF-8") from error


def _failure(path: Path, line: int, text: str) -> Failure:
    return Failure(f"{path}:{line}: {text}.", EXIT_INVALID)
