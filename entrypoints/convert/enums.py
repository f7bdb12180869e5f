"""Enums of the API and of the domain, paired by name."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from domain.errors import InvalidRequest, Violation

D = TypeVar("D", bound=StrEnum)
V = TypeVar("V", bound=int)


@dataclass(frozen=True, slots=True)
class EnumPair(Generic[D, V]):
    """`to_proto` has every value of the domain, `of_proto` every number but that of UNSPECIFIED."""

    to_proto: Mapping[D, V]
    of_proto: Mapping[int, D]

    def read(self, number: int, field: str) -> D:
        """Raises InvalidRequest for UNSPECIFIED and for a number that the API does not know."""
        value = self.of_proto.get(number)
        if value is None:
            raise InvalidRequest([self.violation(number, field)])
        return value

    def read_all(self, numbers: Iterable[int], field: str) -> tuple[D, ...]:
        """The values of a filter; every fault is reported with its place in the list."""
        given = list(numbers)
        faults = [
            self.violation(number, f"{field}[{i}]")
            for i, number in enumerate(given)
            if number not in self.of_proto
        ]
        if faults:
            raise InvalidRequest(faults)
        return tuple(self.of_proto[number] for number in given)

    def violation(self, number: int, field: str) -> Violation:
        """Says which values there are."""
        names = ", ".join(value.name for value in self.to_proto)
        if number == 0:
            message = f"is not chosen; give one of {names}"
            return Violation(field=field, reason="REQUIRED", message=message)
        message = f"is {number}, which means nothing here; give one of {names}"
        return Violation(field=field, reason="UNKNOWN_VALUE", message=message)


def pair(domain: type[D], value: Callable[[str], V], prefix: str) -> EnumPair[D, V]:
    """`value` gives the API's number for a name, which is `prefix` and the domain's name.

    Raises ValueError, when the module is imported, for a value that the API does not have.
    """
    to_proto = {member: value(f"{prefix}_{member.name}") for member in domain}
    return EnumPair(to_proto, {int(number): member for member, number in to_proto.items()})
