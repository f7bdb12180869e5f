"""The elements of a batch array: one is the prototype of all messages, several must be alike.

Alike means equal but for integers that count up evenly from element to element (`"seq": 1`, then
`"seq": 2`): message i of a request continues the count.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from domain.errors import InvalidRequest, Violation
from domain.jsonc import Array, Node, Object, Scalar, String, Where

# Up to 12 digits: after 1,000 messages the count is still exact where numbers are doubles.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,11})")


@dataclass(frozen=True, slots=True)
class Counter:
    """A number that is `start` in the first message of a request and `step` more in each next."""

    start: int
    step: int

    def at(self, index: int) -> int:
        return self.start + index * self.step


_Finding: TypeAlias = Violation | tuple[Where, Counter]


def counters(elements: Sequence[Node]) -> Mapping[Where, Counter]:
    """The numbers of the first element that count; raises InvalidRequest with every difference."""
    found = list(_compare(elements))
    violations = [finding for finding in found if isinstance(finding, Violation)]
    if violations:
        raise InvalidRequest(violations)
    return dict(finding for finding in found if not isinstance(finding, Violation))


def _compare(same_place: Sequence[Node]) -> Iterator[_Finding]:
    first = same_place[0]
    stranger = next((node for node in same_place if not _same_form(first, node)), None)
    if stranger is not None:
        yield _differs(first, stranger)
        return
    match first:
        case Scalar():
            yield from _compare_scalars([node for node in same_place if isinstance(node, Scalar)])
        case String():
            pass
        case Array():
            rows = [node.items for node in same_place if isinstance(node, Array)]
            for column in zip(*rows, strict=True):
                yield from _compare(column)
        case Object():
            members = [_by_key(node) for node in same_place if isinstance(node, Object)]
            for key in members[0]:
                yield from _compare([member[key] for member in members])


def _same_form(first: Node, other: Node) -> bool:
    match first, other:
        case Scalar(), Scalar():
            return True
        case String(), String():
            return first.value == other.value
        case Array(), Array():
            return len(first.items) == len(other.items)
        case Object(), Object():
            return _by_key(first).keys() == _by_key(other).keys()
        case _:
            return False


def _compare_scalars(scalars: Sequence[Scalar]) -> Iterator[_Finding]:
    first = scalars[0]
    other = next((scalar for scalar in scalars if scalar.lexeme != first.lexeme), None)
    if other is None:
        return
    if not all(_INTEGER.fullmatch(scalar.lexeme) for scalar in scalars):
        yield _differs(first, other)
        return
    start = int(first.lexeme)
    counter = Counter(start, max(int(scalars[1].lexeme) - start, 1))
    uneven = next((s for i, s in enumerate(scalars) if int(s.lexeme) != counter.at(i)), None)
    yield (first.where, counter) if uneven is None else _uneven(uneven)


def _by_key(node: Object) -> dict[str, Node]:
    return {key.value: value for key, value in node.members}


def _differs(first: Node, other: Node) -> Violation:
    return _violation(
        f"{other.where} differs from {first.where}; the elements of the batch array must be equal "
        "but for integers that count up, or there must be only one"
    )


def _uneven(scalar: Scalar) -> Violation:
    return _violation(
        f"{scalar.where} is {scalar.lexeme}, which does not count up evenly from the elements "
        "before it; number them as in 1, 2, 3"
    )


def _violation(message: str) -> Violation:
    return Violation(field="parameters", reason="PROTOTYPES_DIFFER", message=message)
