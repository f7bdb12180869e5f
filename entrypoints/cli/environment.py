"""Values of environment variables in a text: `${NAME}` stands for one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

# `${` begins a variable wherever it stands, so that a mistyped one is never sent as text.
_VARIABLE: Final = re.compile(r"\$\{(?:([A-Za-z_][A-Za-z0-9_]*)\})?")


class Unfilled(Exception):
    """A text cannot be filled; the message says what stands in the way."""


def filled(text: str, environment: Mapping[str, str]) -> str:
    """Return `text` with every `${NAME}` replaced by that environment variable.

    What a variable holds is not looked at again. Unfilled: a variable is not set, or a `${` begins
    none; the message never shows the text around, which may be a secret.
    """
    if faults := list(dict.fromkeys(_faults(text, environment))):
        raise Unfilled("; it ".join(faults))
    return _VARIABLE.sub(lambda found: environment[found[1]], text)


def _faults(text: str, environment: Mapping[str, str]) -> Iterator[str]:
    for found in _VARIABLE.finditer(text):
        if found[1] is None:
            yield (
                "has a `${` that begins no `${NAME}` of letters, digits and _; put text that holds "
                "`${` itself into a variable"
            )
        elif found[1] not in environment:
            name = found[1]
            yield (
                f"wants the environment variable {name}, which is not set; export it, or put "
                f"{name}=… before the command"
            )
