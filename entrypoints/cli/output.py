"""What commands print: tables and lists for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from itertools import chain, repeat
from typing import Annotated, Any, Final

import orjson
import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table
from rich.text import Text

from entrypoints.cli.failures import Place
from espalier.v1.common_pb2 import Warning as ApiWarning

Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print JSON, with the names of the API's fields; 64-bit numbers are strings.",
    ),
]

JsonLines = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print JSON Lines, an object a line, with the names of the API's fields; 64-bit "
        "numbers are strings.",
    ),
]

# Would break a row, or a cell, in two.
_BREAKS: Final = str.maketrans("\t\r\n", "   ")


def as_dict(message: Message) -> dict[str, Any]:
    """Return a message as JSON-like values, with every field that has a default."""
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def print_json(value: object) -> None:
    """Print one JSON document, indented."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2))


def print_json_line(value: object) -> None:
    """Print one JSON document on one line, for streams."""
    typer.echo(orjson.dumps(value))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """Print rows under their headings, or the sentence `empty` where there are none.

    A terminal gets columns; what is no terminal a row a line, with a tab between two cells.
    """
    console, found = Console(highlight=False), list(rows)
    if not found:
        typer.echo(empty)
    elif console.is_terminal:
        table = Table(*columns, box=None, header_style="bold", pad_edge=False)
        for row in found:
            # Text, since what a caller wrote may look like Rich's markup.
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)
    else:
        for row in (columns, *found):
            typer.echo("\t".join(cell.translate(_BREAKS) for cell in row))


def print_facts(facts: Mapping[str, str]) -> None:
    """Print names and values below each other; empty values are left out."""
    console, shown = Console(highlight=False), {n: v for n, v in facts.items() if v}
    width = max(map(len, shown), default=0)
    if console.is_terminal:
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, value in shown.items():
            table.add_row(Text(name, style="bold"), Text(value))
        console.print(table)
        return
    for name, value in shown.items():
        for begin, line in zip(chain([name], repeat("")), value.splitlines(), strict=False):
            typer.echo(f"{begin:<{width}}  {line}".rstrip())


def print_warnings(warnings: Iterable[ApiWarning], place: Place = str) -> None:
    """Print warnings to standard error; `place` turns a field's path into what the user knows."""
    for warning in warnings:
        typer.secho(
            f"Warning: {place(warning.field)}: {warning.message}", err=True, fg=typer.colors.YELLOW
        )


def enum_text(holder: Message, field: str) -> str:
    """Return an enum field's value without its prefix, in lower case; a new value as a number."""
    enum = holder.DESCRIPTOR.fields_by_name[field].enum_type
    number = getattr(holder, field)
    if enum is None or number not in enum.values_by_number:
        return str(number)
    # The zero value's name is the enum's prefix and UNSPECIFIED.
    prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
    return enum.values_by_number[number].name.removeprefix(prefix).lower()


def time_text(holder: Message, field: str) -> str:
    """Return a Timestamp field as UTC to the second, empty where it is absent."""
    if not holder.HasField(field):
        return ""
    timestamp: Timestamp = getattr(holder, field)
    return timestamp.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
