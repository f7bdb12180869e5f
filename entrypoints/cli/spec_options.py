"""The options that say what a campaign is, for every command that takes one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

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
Html = Annotated[
    Path | None,
    Option(
        metavar="FILE",
        help="File with the HTML body; may hold $$placeholders.",
        rich_help_panel=_CONTENT,
    ),
]
Plaintext = Annotated[
    Path | None,
    Option(
        metavar="FILE",
        help="File with the plain-text body; may hold $$placeholders.",
        rich_help_panel=_CONTENT,
    ),
]
AmpHtml = Annotated[
    Path | None,
    Option(
        metavar="FILE",
        help="File with the AMP body; may hold $$placeholders.",
        rich_help_panel=_CONTENT,
    ),
]
Set = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="NAME=VALUE",
        help="What $$NAME becomes for all recipients; a VALUE that is JSON keeps its type. "
        "May be repeated.",
        rich_help_panel=_CONTENT,
    ),
]
FromName = Annotated[
    str, Option(help="Sender's name. Default: the provider's.", rich_help_panel=_SENDER)
]
FromAddress = Annotated[
    str, Option(help="Sender's address. Default: the provider's.", rich_help_panel=_SENDER)
]
ReplyTo = Annotated[
    str, Option(help="Address for answers. Default: the provider's.", rich_help_panel=_SENDER)
]
Cc = Annotated[
    list[str] | None,
    Option(help="Gets a copy of every message. May be repeated.", rich_help_panel=_SENDER),
]
Bcc = Annotated[
    list[str] | None,
    Option(help="Gets a blind copy of every message. May be repeated.", rich_help_panel=_SENDER),
]
