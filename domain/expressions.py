"""JMESPath with a few functions more, in which ESPs' answers and events are described.

Beside the language's own: parse_json(text), addr_spec(text), lower(text), header(list, name),
split(text, separator), strip(text, characters), text(any). Searching never raises: where a type
does not fit, or the steps of an evaluation are spent, the result is null.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from jmespath.exceptions import (
    EmptyExpressionError,
    IncompleteExpressionError,
    LexerError,
    ParseError,
)
from jmespath.parser import Parser

from domain.expression_closures import Find, Node, closure, is_false
from domain.expression_steps import Evaluation, ExtendedFunctions

__all__ = ["BadExpression", "Expression", "compile_expression", "expression_fault", "is_false"]

MAX_CHARACTERS = 2_000
# The library visits an expression by calling itself, a few frames a level.
_MAX_DEPTH = 80


class BadExpression(ValueError):
    """The text is no expression; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; equal to another of the same text."""

    text: str
    _tree: Node = field(repr=False, compare=False)
    _find: Find = field(repr=False, compare=False)
    _size: int = field(repr=False, compare=False)

    @property
    def roots(self) -> frozenset[str]:
        """The keys that it looks up in the scope itself."""
        return frozenset(_roots(self._tree))

    @property
    def paths(self) -> Iterator[tuple[str, ...]]:
        """The paths of keys within it, `("headers", "x-id")`, also those behind something else."""
        for node, _ in _nodes(self._tree):
            if node["type"] == "subexpression" and all(map(_is_field, node["children"])):
                yield tuple(part["value"] for part in node["children"])

    def search(self, scope: Any, evaluation: Evaluation | None = None) -> Any:
        """What the expression finds, or None.

        Several searches can share an `evaluation`, and with it a limit; else each has its own.
        """
        if evaluation is None:
            evaluation = Evaluation()
        try:
            evaluation.spend(self._size)
            return self._find(scope, evaluation)
        except Exception:  # noqa: BLE001 - whatever strange data leads to, it finds nothing.
            return None


def compile_expression(text: str) -> Expression:
    """Raises BadExpression."""
    tree = _parse(text)
    size = _check(tree)
    return Expression(text, tree, closure(tree), size)


def expression_fault(text: str) -> str | None:
    """What is wrong with an expression, as the rest of a sentence, or None."""
    try:
        compile_expression(text)
    except BadExpression as error:
        return str(error)
    return None


def _parse(text: str) -> Node:
    if len(text) > MAX_CHARACTERS:
        raise BadExpression(f"has {len(text)} characters; {MAX_CHARACTERS} are allowed")
    try:
        with warnings.catch_warnings():
            # A literal like `bounce`, without quotes, is an old spelling that is in wide use.
            warnings.simplefilter("ignore")
            tree: Node = Parser().parse(text).parsed
    except EmptyExpressionError:
        raise BadExpression("is empty") from None
    except IncompleteExpressionError:
        raise BadExpression("ends too early: a bracket or an operand is missing") from None
    except ParseError as error:
        raise BadExpression(_at(error.lex_position, error.token_value)) from None
    except LexerError as error:
        raise BadExpression(_at(error.lexer_position, error.lexer_value)) from None
    except RecursionError:
        raise BadExpression("is nested too deeply") from None
    except Exception as error:  # noqa: BLE001 - the parser trips in ways of its own.
        raise BadExpression(f"is not JMESPath ({type(error).__name__})") from None
    return tree


# What takes something out of its first child.
_TAKES_OUT = frozenset({"subexpression", "index_expression", "projection", "value_projection"})


def _looks_into_a_negation(node: Node) -> bool:
    """`!a.b` is `(!a).b` to JMESPath, which is null whatever there is."""
    return node["type"] in _TAKES_OUT and node["children"][0]["type"] == "not_expression"


def _at(position: int, token: object) -> str:
    return (
        f"is not JMESPath: {token!r} at character {position + 1} is not expected"
        " (a key with other characters than letters, digits and _ stands in double quotes)"
    )


def _check(tree: Node) -> int:
    """How many parts it has."""
    size = 0
    for node, depth in _nodes(tree):
        size += 1
        if depth > _MAX_DEPTH:
            raise BadExpression(f"is nested more than {_MAX_DEPTH} levels deep")
        if _looks_into_a_negation(node):
            raise BadExpression("has a `!` that takes only the name behind it; write !(a.b)")
        if node["type"] == "function_expression":
            _check_call(node["value"], len(node["children"]))
    return size


def _check_call(name: str, count: int) -> None:
    known = ExtendedFunctions.FUNCTION_TABLE
    if name not in known:
        near = get_close_matches(name, known, n=1)
        names = near[0] if near else ", ".join(sorted(known))
        raise BadExpression(f"calls {name}(), which there is not (there is: {names})")
    wanted = known[name]["signature"]
    variadic = bool(wanted and wanted[-1].get("variadic"))
    if count < len(wanted) or (count > len(wanted) and not variadic):
        raise BadExpression(f"gives {name}() {count} arguments; it takes {len(wanted)}")


def _nodes(tree: Node) -> Iterator[tuple[Node, int]]:
    waiting = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        if node["type"] != "slice":
            waiting += [(child, depth + 1) for child in node["children"]]


# What only its first part looks at the scope for: the others look at what that found.
_STEPWISE = frozenset(
    {"subexpression", "index_expression", "pipe", "projection", "value_projection"}
    | {"filter_projection"}
)


def _roots(tree: Node) -> Iterator[str]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if node["type"] == "field":
            yield node["value"]
        elif node["type"] in _STEPWISE:
            waiting.append(node["children"][0])
        elif node["type"] not in ("slice", "expref"):
            waiting += node["children"]


def _is_field(node: Node) -> bool:
    return bool(node["type"] == "field")
