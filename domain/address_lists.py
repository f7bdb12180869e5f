"""Address lists: the elements of an array that stand there once for each copy."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from domain.forms import template_parts
from domain.jsonc import Array, Node, Object, String, Where
from domain.replacements import Placeholder

_COPIES = frozenset({"cc", "bcc"})

Repeats: TypeAlias = Mapping[Where, Sequence[str | None]]


def repeats_in(root: Node) -> Repeats:
    """For the elements of each array, cc or bcc where one stands there once for each such address.

    It does where it names one of both, outside of any array within it. The element that alone
    names `$$To` too is a message, whose copies are but one of its values.
    """
    found: dict[Where, Sequence[str | None]] = {}
    _survey(root, found)
    return found


def _survey(node: Node, found: dict[Where, Sequence[str | None]]) -> set[str]:
    """The addresses that are named in a node, less copies that an array within it repeats for."""
    match node:
        case Array():
            named = [_survey(item, found) for item in node.items]
            found[node.where] = repeated = _repeated(named)
            return {each for n, name in zip(named, repeated, strict=True) for each in n - {name}}
        case Object():
            keys = {each for key, _ in node.members for each in addressed(key)}
            return keys.union(*(_survey(value, found) for _, value in node.members))
        case _:
            return addressed(node)


def _repeated(elements: Sequence[set[str]]) -> Sequence[str | None]:
    to_is_safe = any("To" in names and not _COPIES & names for names in elements)
    return [
        next(iter(_COPIES & names))
        if len(_COPIES & names) == 1 and ("To" not in names or to_is_safe)
        else None
        for names in elements
    ]


def addressed(node: Node) -> set[str]:
    """Which of To, cc and bcc a string names; a display name is no address."""
    parts = template_parts(node.value, {}) if isinstance(node, String) else ()
    return {
        part.name
        for part in parts
        if isinstance(part, Placeholder)
        and part.form != "name"
        and (part.name == "To" or part.name in _COPIES)
    }
