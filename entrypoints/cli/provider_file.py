"""Provider files: YAML with the names of the fields of espalier.v1.Provider.

Enum values may leave out their prefix (`request_type: POST`), spans are written `30s` or `500ms`.
In whatever may be secret (a password, a key, the value of a header or of a secret), `${NAME}` is
taken from that environment variable, so that the file can be kept under version control.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from entrypoints.cli.failures import EXIT_INVALID, Failure
from entrypoints.cli.provider_reader import Fault, ProviderReader
from espalier.v1.provider_pb2 import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFile:
    """A provider as its file says, and the line (from 1) of each field's path."""

    path: Path
    provider: Provider
    lines: Mapping[str, int]

    def line(self, field: str) -> int:
        """Return the line of the path of a violation, by its nearest known part."""
        known = field.partition("#")[0]
        while known and known not in self.lines:
            known = re.sub(r"(\.[^.\[]*|\[\d+\]|^[^.\[]*)$", "", known)
        return self.lines.get(known, 1)

    def place(self, field: str) -> str:
        """Return `file:line: field` for the path of a violation."""
        return f"{self.path}:{self.line(field)}: {field}"


class FaultyFile(Failure):
    """The file is YAML and no provider; `source` is what could be read of it all the same."""

    def __init__(self, source: ProviderFile, faults: Sequence[Fault]) -> None:
        super().__init__(
            "\n".join(f"{source.path}:{fault.line}: {fault}" for fault in faults), EXIT_INVALID
        )
        self.source = source
        self.faults = tuple(faults)


def read_provider_file(path: Path, environment: Mapping[str, str]) -> ProviderFile:
    """Read a provider from a file of YAML; as read_provider_text."""
    return read_provider_text(_text(path), path, environment)


def read_provider_text(text: str, path: Path, environment: Mapping[str, str]) -> ProviderFile:
    """Read a provider from YAML that stands, or might stand, in the file at `path`.

    Failure: with file and line, if it is not YAML; FaultyFile: with every field that is not right.
    """
    root = _composed(text, path)
    if root is None:
        raise Failure(
            f"{path} is empty: give at least nickname, request_type and http_endpoint.",
            EXIT_INVALID,
        )
    reader = ProviderReader(environment)
    provider = Provider()
    reader.read(provider, root, "provider")
    source = ProviderFile(path=path, provider=provider, lines=reader.lines)
    if reader.faults:
        raise FaultyFile(source, reader.faults)
    return source


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.", EXIT_INVALID) from error
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8 text: save it as UTF-8.", EXIT_INVALID) from error


def _composed(text: str, path: Path) -> yaml.Node | None:
    """Return the root of a YAML document, None for an empty one. Failure: it is none."""
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Failure(f"{path}:{line}: not valid YAML: {error.problem}.", EXIT_INVALID) from error
    except yaml.reader.ReaderError as error:
        text = f"it holds the character {chr(error.character)!r}; remove it"
        raise Failure(f"{path} is not valid YAML: {text}.", EXIT_INVALID) from error
    except RecursionError as error:
        raise Failure(f"{path} is no provider: it is nested too deeply.", EXIT_INVALID) from error
