"""Violations and advice of the domain, under the names that a request's fields have."""

from collections.abc import Iterable
from dataclasses import replace

from domain.errors import Advice, Violation
from espalier.v1.common_pb2 import Warning as WarningMessage


def prefixed(violations: Iterable[Violation], prefix: str) -> list[Violation]:
    """The same violations with `prefix`, such as `provider.`, before every field."""
    return [replace(violation, field=prefix + violation.field) for violation in violations]


def to_warnings(advice: Iterable[Advice], prefix: str = "") -> list[WarningMessage]:
    """What an answer tells of that is allowed and likely to be a mistake."""
    return [
        WarningMessage(field=prefix + each.field, reason=each.reason, message=each.message)
        for each in advice
    ]
