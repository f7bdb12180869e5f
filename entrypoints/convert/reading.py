"""Reading messages of the API whose values the domain may not have, with every fault noted."""

from typing import TypeVar

from google.protobuf.duration_pb2 import Duration

from domain.errors import Violation
from entrypoints.convert.enums import D, EnumPair
from entrypoints.convert.times import duration_fault, from_duration

V = TypeVar("V", bound=int)


class Reading:
    """Answers a value for everything, and notes in `faults` where it only stands in for another."""

    def __init__(self) -> None:
        self.faults: list[Violation] = []

    def chosen(self, pair: EnumPair[D, V], number: int, field: str, *, stand_in: D) -> D:
        """A value that must be chosen."""
        value = pair.of_proto.get(number)
        if value is None:
            self.faults.append(pair.violation(number, field))
        return stand_in if value is None else value

    def choice(self, pair: EnumPair[D, V], number: int, field: str, *, default: D) -> D:
        """A value that is `default` where it is UNSPECIFIED."""
        return self.chosen(pair, number, field, stand_in=default) if number else default

    def seconds(self, duration: Duration, field: str, *, default: float) -> float:
        """`default` for a span of time that is none."""
        fault = duration_fault(duration, field)
        if fault is not None:
            self.faults.append(fault)
        return default if fault is not None else from_duration(duration)
