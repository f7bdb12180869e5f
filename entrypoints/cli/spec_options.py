"""The options that say what a campaign is, for every command that takes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final

from typer import Option

from entrypoints.cli.completion import nicknames

_CONTENT: Final = "The message"
_SENDER: Final = "Sender and copies"

Provider = Annotated[
    str,
    Option(help="Nickname of the provider to send through.", autocompletion=nicknames),
]
Recipients = Annotated[
    Path,
    Option(
        metavar="FILE",
        help="CSV with a column `email` (`name` and replacements besides), or JSON Lines with "
        "`email`, `name` and `replacements`.",
    ),
]
Subject = Annotated[
    str, Option(help="Subject line; may hold $$placeholders.", rich_help_panel=_CONTENT)
]


def _body(kind: str) -> Any:
    return Option(
        metavar="FILE",
        help=f"File with the {kind} body; may hold $$placeholders.",
        rich_help_panel=_CONTENT,
    )


def _sender(text: str) -> Any:
    return Option(help=text, rich_help_panel=_SENDER)


def takes_content(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `_content` besides its own, behind its `subject`.

    The command finds their values in the context, by name: `spec.spec_of` makes a campaign of them.
    """
    own = _parameters(command)

    @wraps(command)
    def with_content(**values: Any) -> None:
        command(**{each.name: values[each.name] for each in own})

    behind = 1 + [each.name for each in own].index("subject")
    every = [*own[:behind], *_parameters(_content), *own[behind:]]
    with_content.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined] # For Typer.
    return with_content


def _parameters(command: Callable[..., None]) -> list[inspect.Parameter]:
    found = inspect.signature(command, eval_str=True).parameters.values()
    return [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in found]


def _content(
    html: Annotated[Path | None, _body("HTML")] = None,
    plaintext: Annotated[Path | None, _body("plain-text")] = None,
    amp_html: Annotated[Path | None, _body("AMP")] = None,
    set_: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="NAME=VALUE",
            help="What $$NAME becomes for all recipients; a VALUE that is JSON keeps its type. "
            "May be repeated.",
            rich_help_panel=_CONTENT,
        ),
    ] = None,
    from_name: Annotated[str, _sender("Sender's name. Default: the provider's.")] = "",
    from_address: Annotated[str, _sender("Sender's address. Default: the provider's.")] = "",
    reply_to: Annotated[str, _sender("Address for answers. Default: the provider's.")] = "",
    cc: Annotated[
        list[str] | None, _sender("Gets a copy of every message. May be repeated.")
    ] = None,
    bcc: Annotated[
        list[str] | None, _sender("Gets a blind copy of every message. May be repeated.")
    ] = None,
) -> None:
    """Declare the options; nobody calls it."""
