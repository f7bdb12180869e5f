"""Expressions as Python functions: what most of them are made of, at a fifth of the time.

Only what looks at each part of an expression once is here, so that an expression costs no more than
its size; lists are gone through by `Evaluation`, step by step. What is found is the same.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.expression_steps import Evaluation

# What the library's parser makes: {type, value, children}.
Node = Mapping[str, Any]
Find = Callable[[Any, Evaluation], Any]


def closure(node: Node) -> Find:
    """Raises RecursionError for what is nested too deeply."""
    make = _MAKERS.get(node["type"])
    return _step_by_step(node) if make is None else make(node)


def is_false(value: Any) -> bool:
    """As JMESPath has it: null, false and what is empty are false; zero is not."""
    return bool((not value and value != 0) or value is False)


def _step_by_step(node: Node) -> Find:
    return lambda value, evaluation: evaluation.visit(node, value)


def _current(node: Node) -> Find:
    return lambda value, _: value


def _literal(node: Node) -> Find:
    constant = node["value"]
    return lambda value, _: constant


def _field(node: Node) -> Find:
    return _path((node["value"],))


def _path(keys: tuple[str, ...]) -> Find:
    def find(value: Any, _: Evaluation) -> Any:
        for key in keys:
            if type(value) is not dict:
                return None
            value = value.get(key)
        return value

    return find


def _index(node: Node) -> Find:
    place = node["value"]

    def find(value: Any, _: Evaluation) -> Any:
        if type(value) is not list or not -len(value) <= place < len(value):
            return None
        return value[place]

    return find


def _one_after_the_other(node: Node) -> Find:
    children: Sequence[Node] = node["children"]
    if all(child["type"] == "field" for child in children) and node["type"] == "subexpression":
        return _path(tuple(child["value"] for child in children))
    parts = [closure(child) for child in children]

    def find(value: Any, evaluation: Evaluation) -> Any:
        for part in parts:
            value = part(value, evaluation)
        return value

    return find


def _or(node: Node) -> Find:
    first, second = map(closure, node["children"])

    def find(value: Any, evaluation: Evaluation) -> Any:
        found = first(value, evaluation)
        return second(value, evaluation) if is_false(found) else found

    return find


def _and(node: Node) -> Find:
    first, second = map(closure, node["children"])

    def find(value: Any, evaluation: Evaluation) -> Any:
        found = first(value, evaluation)
        return found if is_false(found) else second(value, evaluation)

    return find


def _not(node: Node) -> Find:
    (inner,) = map(closure, node["children"])
    return lambda value, evaluation: is_false(inner(value, evaluation))


def _comparator(node: Node) -> Find:
    operator = node["value"]
    left, right = map(closure, node["children"])
    return lambda value, evaluation: evaluation.compare(
        operator, left(value, evaluation), right(value, evaluation)
    )


def _multi_select_list(node: Node) -> Find:
    parts = [closure(child) for child in node["children"]]

    def find(value: Any, evaluation: Evaluation) -> Any:
        return None if value is None else [part(value, evaluation) for part in parts]

    return find


def _function(node: Node) -> Find:
    name = node["value"]
    parts = [closure(child) for child in node["children"]]
    return lambda value, evaluation: evaluation.call(
        name, [part(value, evaluation) for part in parts]
    )


_MAKERS: Mapping[str, Callable[[Node], Find]] = {
    "current": _current,
    "identity": _current,
    "literal": _literal,
    "field": _field,
    "index": _index,
    "subexpression": _one_after_the_other,
    "index_expression": _one_after_the_other,
    "pipe": _one_after_the_other,
    "or_expression": _or,
    "and_expression": _and,
    "not_expression": _not,
    "comparator": _comparator,
    "multi_select_list": _multi_select_list,
    "function_expression": _function,
}
