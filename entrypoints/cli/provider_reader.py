"""Copying the YAML of a provider file into the message of the API, with every fault noted."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import yaml
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from entrypoints.cli.environment import Unfilled, filled

_NULL: Final = "tag:yaml.org,2002:null"
_BOOL: Final = "tag:yaml.org,2002:bool"
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
# Only these may hold secrets; elsewhere `${…}` is text.
_FROM_ENVIRONMENT: Final = {
    "espalier.v1.AwsSignature.access_key_id",
    "espalier.v1.AwsSignature.secret_access_key",
    "espalier.v1.BasicAuthentication.password",
    "espalier.v1.Header.value",
    "espalier.v1.Secret.value",
    "espalier.v1.Signature.secrets",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with the field of `path`, on a line (from 1) of the file.

    `is_read` says whether the field has a value all the same.
    """

    line: int
    path: str
    text: str
    is_read: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


class ProviderReader:
    """Copies YAML nodes into messages, and keeps the line of everything that it meets.

    What cannot be copied is noted in `faults`, and the rest is read all the same.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.lines: dict[str, int] = {}
        self.faults: list[Fault] = []

    def read(self, target: Message, node: yaml.Node, path: str) -> None:
        """Copy a node into `target`, whose field path is `path`."""
        self.lines[path] = node.start_mark.line + 1
        target.SetInParent()
        if node.tag == _NULL:
            return
        if not isinstance(node, yaml.MappingNode):
            self._note(node, path, "must be a mapping of fields")
            return
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            field = target.DESCRIPTOR.fields_by_name.get(name)
            if field is None:
                self._note(key, f"{path}.{name}", _no_field(target, name))
            elif name in seen:
                # It has its first value, which may be at fault as well.
                self._note(key, f"{path}.{name}", "stands here again; keep one", is_read=True)
            else:
                self._field(target, cast(FieldDescriptor, field), key, value, path)
            seen.add(name)

    def _field(
        self, target: Message, field: FieldDescriptor, key: yaml.Node, node: yaml.Node, parent: str
    ) -> None:
        path = f"{parent}.{field.name}"
        self.lines[path] = key.start_mark.line + 1
        if field.is_repeated:
            self._repeated(target, field, node, path)
        elif field.message_type is not None and field.message_type is not Duration.DESCRIPTOR:
            self.read(getattr(target, field.name), node, path)
        elif node.tag != _NULL:
            self._value(target, field, node, path)

    def _repeated(
        self, target: Message, field: FieldDescriptor, node: yaml.Node, path: str
    ) -> None:
        if node.tag == _NULL:
            return
        if not isinstance(node, yaml.SequenceNode):
            self._note(node, path, "must be a list; begin each entry with `- `")
            return
        entries: Any = getattr(target, field.name)
        for index, entry in enumerate(node.value):
            if field.message_type is not None:
                self.read(entries.add(), entry, f"{path}[{index}]")
            else:
                self._entry(entries, field, entry, f"{path}[{index}]")

    def _entry(self, entries: Any, field: FieldDescriptor, node: yaml.Node, path: str) -> None:
        self.lines[path] = node.start_mark.line + 1
        try:
            entries.append(self._scalar(field, _single(node)))
        except _WrongValue as wrong:
            self._note(node, path, str(wrong))

    def _value(self, target: Message, field: FieldDescriptor, node: yaml.Node, path: str) -> None:
        try:
            scalar = _single(node)
            if field.message_type is not None:
                getattr(target, field.name).FromNanoseconds(_nanoseconds(scalar))
            else:
                setattr(target, field.name, self._scalar(field, scalar))
        except _WrongValue as wrong:
            self._note(node, path, str(wrong))

    def _scalar(self, field: FieldDescriptor, node: yaml.ScalarNode) -> object:
        if field.type == FieldDescriptor.TYPE_STRING:
            return self._text(field, str(node.value))
        if field.type == FieldDescriptor.TYPE_BOOL:
            return _bool(node)
        if field.enum_type is not None:
            return _enum(field, node)
        return _number(field, node)

    def _text(self, field: FieldDescriptor, text: str) -> str:
        if field.full_name not in _FROM_ENVIRONMENT:
            return text
        try:
            return filled(text, self._environment)
        except Unfilled as unfilled:
            raise _WrongValue(str(unfilled)) from unfilled

    def _note(self, node: yaml.Node, path: str, text: str, *, is_read: bool = False) -> None:
        line = node.start_mark.line + 1
        self.faults.append(Fault(line=line, path=path, text=text, is_read=is_read))


class _WrongValue(Exception):
    """A value is none of its field; the text is that of the fault."""


def _single(node: yaml.Node) -> yaml.ScalarNode:
    if not isinstance(node, yaml.ScalarNode):
        raise _WrongValue("must be a single value; text goes after `|` or `>`")
    return node


def _no_field(target: Message, name: str) -> str:
    fields = list(target.DESCRIPTOR.fields_by_name)
    close = difflib.get_close_matches(name, fields, n=1)
    hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(fields)}"
    return f"there is no such field; {hint}"


def _nanoseconds(node: yaml.ScalarNode) -> int:
    match = _SPAN.fullmatch(str(node.value))
    if match is None:
        raise _WrongValue("must be a span of time such as 30s or 500ms")
    return round(float(match[1]) * _SECONDS[match[2]] * 1_000_000_000)


def _bool(node: yaml.ScalarNode) -> bool:
    if node.tag != _BOOL:
        raise _WrongValue("must be true or false")
    return str(node.value).lower() in {"true", "yes", "on"}


def _enum(field: FieldDescriptor, node: yaml.ScalarNode) -> int:
    assert field.enum_type is not None  # noqa: S101 - for the type checker
    values = field.enum_type.values_by_name
    # The zero value's name is the enum's prefix and UNSPECIFIED.
    prefix = field.enum_type.values[0].name.removesuffix("UNSPECIFIED")
    name = str(node.value).upper()
    for candidate in (name, prefix + name):
        if candidate in values:
            return values[candidate].number
    known = ", ".join(value.removeprefix(prefix) for value in list(values)[1:])
    raise _WrongValue(f"must be one of {known}")


def _number(field: FieldDescriptor, node: yaml.ScalarNode) -> float:
    is_double = field.type == FieldDescriptor.TYPE_DOUBLE
    try:
        value = float(node.value) if is_double else int(node.value)
    except ValueError as error:
        kind = "a number" if is_double else "a whole number"
        raise _WrongValue(f"must be {kind}") from error
    limit = 2**31 if field.type == FieldDescriptor.TYPE_INT32 else 2**63
    if not is_double and not -limit <= value < limit:
        raise _WrongValue("is too large a number")
    return cast(float, value)
