"""What a person types, as values of the API."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from entrypoints.cli.failures import EXIT_INVALID, Failure
from entrypoints.cli.recipients import inexact_integer


def replacements(pairs: Iterable[str]) -> dict[str, Any]:
    """Return the values of `NAME=VALUE` pairs; a VALUE that is JSON keeps its type.

    Failure: a pair has no `=`.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise Failure(f"--set {pair}: write NAME=VALUE.", EXIT_INVALID)
        try:
            values[name] = orjson.loads(text)
        except orjson.JSONDecodeError:
            values[name] = text
        if inexact_integer(values[name]) is not None:
            # Too long for a number, such as an account's: it is text.
            values[name] = text
    return values


def timestamp(moment: datetime | None) -> Timestamp | None:
    """Return a moment that was typed without a time zone, which means UTC."""
    if moment is None:
        return None
    made = Timestamp()
    made.FromDatetime(moment.replace(tzinfo=UTC))
    return made
