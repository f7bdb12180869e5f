"""Evaluating JMESPath over what strangers send: the functions added, and an end to every search.

An expression can double what it is given (`[@, @][]`), and doing so two hundred times fits in two
thousand characters. So each step costs, what a function or a comparison looks through costs too,
and an evaluation that has spent its steps stops.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from jmespath.functions import Functions, signature
from jmespath.visitor import Options, TreeInterpreter

# A search over one event takes about twenty; a step takes about a microsecond.
MAX_STEPS = 500_000
# What is looked through in one go by C is that much cheaper than a step.
_CHARACTERS_A_STEP = 64
_ANY: dict[str, Any] = {"types": []}
# These do not look into what they are given.
_SHALLOW = frozenset({"length", "type", "not_null", "to_array"})


class OutOfSteps(Exception):
    """The evaluation has spent its steps; it gives nothing."""


class ExtendedFunctions(Functions):
    """Beside JMESPath's own; where an argument is of no use they give null."""

    @signature(_ANY)  # type: ignore[arg-type]
    def _func_parse_json(self, text: Any) -> Any:
        """What is no text is what it is already."""
        return orjson.loads(text) if isinstance(text, str) else text

    @signature(_ANY)  # type: ignore[arg-type]
    def _func_addr_spec(self, text: Any) -> str | None:
        """`Ann <a@x>` is a@x; a bare address is itself."""
        if not isinstance(text, str):
            return None
        inside = text.rpartition("<")[2].partition(">")[0].strip()
        return inside or None

    @signature(_ANY)  # type: ignore[arg-type]
    def _func_lower(self, text: Any) -> str | None:
        return text.lower() if isinstance(text, str) else None

    @signature(_ANY, _ANY)  # type: ignore[arg-type]
    def _func_header(self, headers: Any, name: Any) -> Any:
        """Of a list of {name, value}, {key, value} or [name, value], or of an object; any case."""
        if not isinstance(name, str):
            return None
        pairs = headers.items() if isinstance(headers, dict) else map(_pair, headers or ())
        wanted = name.lower()
        return next(
            (value for key, value in pairs if isinstance(key, str) and key.lower() == wanted), None
        )

    @signature(_ANY, _ANY)  # type: ignore[arg-type]
    def _func_split(self, text: Any, separator: Any) -> list[str] | None:
        return text.split(separator) if isinstance(text, str) else None

    @signature(_ANY, _ANY)  # type: ignore[arg-type]
    def _func_strip(self, text: Any, characters: Any) -> str | None:
        return text.strip(characters) if isinstance(text, str) else None

    @signature(_ANY)  # type: ignore[arg-type]
    def _func_text(self, value: Any) -> str | None:
        """A text as it stands, anything else as its JSON; null stays null."""
        if value is None or isinstance(value, str):
            return value
        return str(value) if type(value) is int else orjson.dumps(value).decode()


def _pair(entry: Any) -> tuple[Any, Any]:
    if isinstance(entry, dict):
        keys = {str(key).lower(): value for key, value in entry.items()}
        return keys.get("name", keys.get("key")), keys.get("value")
    return tuple(entry) if isinstance(entry, list) and len(entry) == 2 else (None, None)


class Evaluation(TreeInterpreter):
    """Searches with a common number of steps, of which `left` remain (below zero: none)."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self.left = steps
        self.functions = ExtendedFunctions()
        super().__init__(Options(custom_functions=self.functions))

    @property
    def is_over(self) -> bool:
        return self.left < 0

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise OutOfSteps
        return super().visit(node, *args, **kwargs)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        self.spend(sum(len(item) if isinstance(item, list) else 1 for item in base))
        return [part for item in base for part in (item if isinstance(item, list) else [item])]

    def visit_slice(self, node: Any, value: Any) -> Any:
        self.spend(len(value) if isinstance(value, list) else 0)
        return super().visit_slice(node, value)

    def visit_comparator(self, node: Any, value: Any) -> Any:
        left, right = (self.visit(child, value) for child in node["children"])
        return self.compare(node["value"], left, right)

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        return self.call(node["value"], [self.visit(child, value) for child in node["children"]])

    def compare(self, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, dict | list) and type(left) is type(right):
            self.look_through([left, right])
        elif isinstance(left, str):
            self.spend(len(left) // _CHARACTERS_A_STEP)
        if operator not in ("eq", "ne") and not (_is_ordered(left) and _is_ordered(right)):
            return None
        return self.COMPARATOR_FUNC[operator](left, right)

    def call(self, name: str, arguments: Sequence[Any]) -> Any:
        if name not in _SHALLOW:
            self.look_through(arguments)
            self.spend(_made_by(name, arguments))
        return self.functions.call_function(name, arguments)

    def look_through(self, values: Iterable[Any]) -> None:
        """Pays for all that the values hold, as often as they hold it."""
        waiting = list(values)
        while waiting:
            value = waiting.pop()
            kind = type(value)
            self.left -= 1 + len(value) // _CHARACTERS_A_STEP if kind is str else 1
            if kind is dict:
                waiting += value.values()
            elif kind is list:
                waiting += value
            if self.left < 0:
                raise OutOfSteps

    def spend_bytes(self, number: int) -> None:
        """Of text that is written or kept."""
        self.spend(number // _CHARACTERS_A_STEP)

    def spend(self, steps: int) -> None:
        """Raises OutOfSteps."""
        self.left -= steps
        if self.left < 0:
            raise OutOfSteps


def _made_by(name: str, arguments: Sequence[Any]) -> int:
    """Steps for what a function makes, where that can be more than it is given."""
    match name, arguments:
        case "join", [str() as separator, list() as texts]:
            return len(separator) * len(texts) // _CHARACTERS_A_STEP
        case "split", [str() as text, str() as separator]:
            return text.count(separator)
        case _:
            return 0


def _is_ordered(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)
