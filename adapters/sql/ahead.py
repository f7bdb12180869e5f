"""The rule of `domain.ahead` as a condition on a column."""

from typing import Any

from sqlalchemy import ColumnElement, and_

from domain.ahead import furthest


def ahead(until: ColumnElement[Any], *, now: float, longest: float) -> ColumnElement[bool]:
    """Whether what waits until then, at most for `longest` seconds, waits still."""
    return and_(until > now, until <= furthest(now, longest))
