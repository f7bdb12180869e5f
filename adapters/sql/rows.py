"""Rows that are inserted by the thousand."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Connection, Table


def insert_rows(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[tuple[object, ...]],
    *,
    pass_repeats: bool = False,
) -> int:
    """Inserts `rows`, whose values are in the order of `columns` and go to the driver as they are.

    With `pass_repeats` a row that a key of the table refuses is left out, and is no error. How many
    were inserted, or -1 where the driver does not count them.
    """
    if not rows:
        return 0
    style = connection.dialect.paramstyle
    text = _insert(style, table.name, tuple(columns), pass_repeats)
    return connection.exec_driver_sql(text, list(rows)).rowcount


@cache
def _insert(paramstyle: str, table: str, columns: tuple[str, ...], pass_repeats: bool) -> str:
    values = ", ".join(_place(paramstyle, number) for number in range(1, len(columns) + 1))
    end = " ON CONFLICT DO NOTHING" if pass_repeats else ""
    # All of it is written here or in the schema.
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values}){end}"  # noqa: S608


def _place(paramstyle: str, number: int) -> str:
    match paramstyle:
        case "qmark":
            return "?"
        case "format":
            return "%s"
        case "numeric_dollar":
            return f"${number}"
        case _:
            raise ValueError(f"parameters in the style {paramstyle} have no order")
