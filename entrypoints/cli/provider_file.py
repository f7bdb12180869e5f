"""Provider files: YAML with the names of the fields of espalier.v1.Provider.

Enum values may leave out their prefix (`request_type: POST`), spans are written `30s` or `500ms`.
A password or a header's value may be `${NAME}`: it is taken from that environment variable, so that
the file can be kept under version control.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import yaml
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from entrypoints.cli.failures import EXIT_INVALID, Failure
from espalier.v1.provider_pb2 import Provider

_NULL: Final = "tag:yaml.org,2002:null"
_BOOL: Final = "tag:yaml.org,2002:bool"
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_ENVIRONMENT: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Only these may hold secrets; elsewhere `${…}` is text.
_FROM_ENVIRONMENT: Final = {
    "espalier.v1.BasicAuthentication.password",
    "espalier.v1.Header.value",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFile:
    """A provider as its file says, and the line (from 1) of each field's path."""

    path: Path
    provider: Provider
    lines: Mapping[str, int]

    def place(self, field: str) -> str:
        """Return `file:line field` for the path of a violation, by its nearest known part."""
        known = field.partition("#")[0]
        while known and known not in self.lines:
            known = re.sub(r"(\.[^.\[]*|\[\d+\]|^[^.\[]*)$", "", known)
        return f"{self.path}:{self.lines.get(known, 1)}: {field}"


def read_provider_file(path: Path, environment: Mapping[str, str]) -> ProviderFile:
    """Read a provider from YAML. Failure: with file and line, if it is not one."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.", EXIT_INVALID) from error
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8 text: save it as UTF-8.", EXIT_INVALID) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Failure(f"{path}:{line}: not valid YAML: {error.problem}.", EXIT_INVALID) from error
    except yaml.reader.ReaderError as error:
        text = f"it holds the character {chr(error.character)!r}; remove it"
        raise Failure(f"{path} is not valid YAML: {text}.", EXIT_INVALID) from error
    except RecursionError as error:
        raise Failure(f"{path} is no provider: it is nested too deeply.", EXIT_INVALID) from error
    if root is None:
        raise Failure(
            f"{path} is empty: give at least nickname, request_type and http_endpoint.", 2
        )
    reader = _Reader(path, environment)
    provider = Provider()
    reader.message(provider, root, "provider")
    return ProviderFile(path=path, provider=provider, lines=reader.lines)


class _Reader:
    """Copies YAML nodes into messages, and keeps the line of everything that it meets."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._path = path
        self._environment = environment
        self.lines: dict[str, int] = {}

    def message(self, target: Message, node: yaml.Node, path: str) -> None:
        self.lines[path] = node.start_mark.line + 1
        target.SetInParent()
        if node.tag == _NULL:
            return
        if not isinstance(node, yaml.MappingNode):
            raise self._failure(node, f"{path} must be a mapping of fields")
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise self._failure(key, f"`{key.value}` stands here twice")
            seen.add(key.value)
            self._field(target, self._descriptor(target, key, path), key, value, path)

    def _descriptor(self, target: Message, key: yaml.Node, path: str) -> FieldDescriptor:
        fields = target.DESCRIPTOR.fields_by_name
        name = str(key.value)
        if name in fields:
            return cast(FieldDescriptor, fields[name])
        close = difflib.get_close_matches(name, list(fields), n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(fields)}"
        raise self._failure(key, f"{path} has no field `{name}`; {hint}")

    def _field(
        self, target: Message, field: FieldDescriptor, key: yaml.Node, node: yaml.Node, parent: str
    ) -> None:
        path = f"{parent}.{field.name}"
        self.lines[path] = key.start_mark.line + 1
        if field.is_repeated:
            self._repeated(getattr(target, field.name), node, path)
        elif field.message_type is not None:
            self._submessage(getattr(target, field.name), node, path)
        elif node.tag != _NULL:
            setattr(target, field.name, self._scalar(field, node, path))

    def _repeated(self, target: Any, node: yaml.Node, path: str) -> None:
        if node.tag == _NULL:
            return
        if not isinstance(node, yaml.SequenceNode):
            raise self._failure(node, f"{path} must be a list: begin each entry with `- `")
        for index, entry in enumerate(node.value):
            self.message(target.add(), entry, f"{path}[{index}]")

    def _submessage(self, target: Message, node: yaml.Node, path: str) -> None:
        if isinstance(target, Duration):
            self._span(target, node, path)
        else:
            self.message(target, node, path)

    def _span(self, target: Duration, node: yaml.Node, path: str) -> None:
        match = _SPAN.fullmatch(str(node.value))
        if match is None:
            raise self._failure(node, f"{path} must be a span of time such as 30s or 500ms")
        target.FromNanoseconds(round(float(match[1]) * _SECONDS[match[2]] * 1_000_000_000))

    def _scalar(self, field: FieldDescriptor, node: yaml.Node, path: str) -> object:
        if not isinstance(node, yaml.ScalarNode):
            raise self._failure(node, f"{path} must be a single value; text goes after `|` or `>`")
        if field.type == FieldDescriptor.TYPE_STRING:
            return self._text(field, node, path)
        if field.type == FieldDescriptor.TYPE_BOOL:
            return self._bool(node, path)
        if field.enum_type is not None:
            return self._enum(field, node, path)
        return self._number(field, node, path)

    def _text(self, field: FieldDescriptor, node: yaml.ScalarNode, path: str) -> str:
        text = str(node.value)
        match = _ENVIRONMENT.fullmatch(text)
        if match is None or field.full_name not in _FROM_ENVIRONMENT:
            return text
        if match[1] not in self._environment:
            raise self._failure(
                node, f"{path} wants the environment variable {match[1]}, which is not set"
            )
        return self._environment[match[1]]

    def _bool(self, node: yaml.ScalarNode, path: str) -> bool:
        if node.tag != _BOOL:
            raise self._failure(node, f"{path} must be true or false")
        return str(node.value).lower() in {"true", "yes", "on"}

    def _enum(self, field: FieldDescriptor, node: yaml.ScalarNode, path: str) -> int:
        assert field.enum_type is not None  # noqa: S101 - for the type checker
        values = field.enum_type.values_by_name
        # The zero value's name is the enum's prefix and UNSPECIFIED.
        prefix = field.enum_type.values[0].name.removesuffix("UNSPECIFIED")
        name = str(node.value).upper()
        for candidate in (name, prefix + name):
            if candidate in values:
                return values[candidate].number
        known = ", ".join(value.removeprefix(prefix) for value in list(values)[1:])
        raise self._failure(node, f"{path} must be one of {known}")

    def _number(self, field: FieldDescriptor, node: yaml.ScalarNode, path: str) -> float:
        is_double = field.type == FieldDescriptor.TYPE_DOUBLE
        try:
            value = float(node.value) if is_double else int(node.value)
        except ValueError as error:
            kind = "a number" if is_double else "a whole number"
            raise self._failure(node, f"{path} must be {kind}") from error
        limit = 2**31 if field.type == FieldDescriptor.TYPE_INT32 else 2**63
        if not is_double and not -limit <= value < limit:
            raise self._failure(node, f"{path} is too large a number")
        return value

    def _failure(self, node: yaml.Node, text: str) -> Failure:
        return Failure(f"{self._path}:{node.start_mark.line + 1}: {text}.", EXIT_INVALID)
