"""A message of the API as a provider file has it: YAML with the names of its fields."""

from __future__ import annotations

from typing import Any, Final

import yaml
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

# Nothing is wrapped: an expression on two lines is hard to copy.
_NO_WRAPPING: Final = 1_000_000


def yaml_of(message: Message) -> str:
    """Return what is set, in the order of its fields; empty where nothing is."""
    fields = _fields(message)
    if not fields:
        return ""
    text: str = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=_NO_WRAPPING)
    return text.rstrip("\n")


def _fields(message: Message) -> dict[str, Any]:
    return {
        field.name: [_plain(field, each) for each in value]
        if field.is_repeated
        else _plain(field, value)
        for field, value in message.ListFields()
    }


def _plain(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, Duration):
        return f"{value.ToNanoseconds() / 1e9:.15g}s"
    if isinstance(value, Message):
        return _fields(value)
    if field.enum_type is None:
        return value
    values = field.enum_type.values_by_number
    # The zero value's name is the enum's prefix and UNSPECIFIED.
    return values[value].name.removeprefix(values[0].name.removesuffix("UNSPECIFIED"))
