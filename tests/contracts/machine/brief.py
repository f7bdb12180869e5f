"""How the parts of the machine look in the steps of a failing example."""

from typing import Protocol


class _Printer(Protocol):
    def text(self, obj: str) -> None: ...


class Brief:
    """Hypothesis prints such a thing by its repr, and not field by field over pages."""

    def _repr_pretty_(self, printer: _Printer, cycle: bool) -> None:
        printer.text(repr(self))
