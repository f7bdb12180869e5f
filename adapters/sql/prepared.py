"""Statements that are executed thousands of times a second."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, CursorResult, Dialect, Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement


class _Compiled(NamedTuple):
    text: str
    names: Sequence[str]
    constants: Mapping[str, Any]

    def in_order(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        values = {**self.constants, **row}
        return tuple([values[name] for name in self.names])


class Prepared:
    """A statement that is compiled once for a dialect, and not looked up for every execution.

    The lookup, and what SQLAlchemy makes of the parameters, takes twice as long as the database
    does. `columns` are those that an INSERT gives values to. Values go to the driver as they are.
    """

    def __init__(self, statement: Executable, *columns: str) -> None:
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def execute(self, connection: Connection, *rows: Mapping[str, Any]) -> CursorResult[Any]:
        """Once for each of the rows of parameters."""
        compiled = self._for(connection.dialect)
        given = [compiled.in_order(row) for row in rows]
        return connection.exec_driver_sql(compiled.text, given if len(given) > 1 else given[0])

    def _for(self, dialect: Dialect) -> _Compiled:
        if dialect.name not in self._compiled:
            assert isinstance(self._statement, ClauseElement)  # noqa: S101 - all of Core's are.
            compiled = self._statement.compile(dialect=dialect, column_keys=self._columns or None)
            assert isinstance(compiled, SQLCompiler)  # noqa: S101 - no DDL comes here.
            names = compiled.positiontup or ()
            self._compiled[dialect.name] = _Compiled(str(compiled), names, compiled.params)
        return self._compiled[dialect.name]
