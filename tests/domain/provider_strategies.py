"""Any configuration of a provider, in all its fields, whether or not it is a good one."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from types import NoneType
from typing import Any, get_args, get_type_hints

from hypothesis import strategies as st

from domain.provider import ProviderConfig

# Text as UTF-8 can carry it. Not empty: some fields have a default in place of an empty text.
_TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
_SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: _TEXTS,
    bool: st.booleans(),
    int: st.integers(1, 2**31 - 1),
    # Spans of time travel as seconds and nanoseconds, which these are exactly.
    float: st.integers(0, 10**6).map(lambda eighths: eighths / 8),
}


def configs() -> st.SearchStrategy[ProviderConfig]:
    """Their requests authenticate in one way at most, since the API has no place for two."""
    return any_of_type(ProviderConfig).map(_with_one_authentication)


def any_of_type(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type that a configuration is made of, by the types of its fields."""
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(
            kind, **{each.name: any_of_type(hints[each.name]) for each in fields(kind)}
        )
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return st.sampled_from(kind)
    arguments = get_args(kind)
    if NoneType in arguments:
        (other,) = [argument for argument in arguments if argument is not NoneType]
        return st.none() | any_of_type(other)
    return _tuples(arguments)


def _tuples(arguments: Sequence[Any]) -> st.SearchStrategy[Any]:
    element, rest = arguments
    assert rest is ..., "a configuration holds no other tuples"
    return st.lists(any_of_type(element), max_size=2).map(tuple)


def _with_one_authentication(config: ProviderConfig) -> ProviderConfig:
    return replace(config, aws_signature=None) if config.basic else config
