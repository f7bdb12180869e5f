"""The flags of `espalier simulate-esp` for callbacks."""

from __future__ import annotations

from typing import Annotated

from typer import Option

_CALLBACKS = "Callbacks"

CallbackUrl = Annotated[
    str,
    Option(
        metavar="URL",
        help="Post callbacks here; none without it. Can be set while it runs, see above.",
        rich_help_panel=_CALLBACKS,
    ),
]
Delivered = Annotated[
    float,
    Option(metavar="SHARE", help="Share of the accepted messages.", rich_help_panel=_CALLBACKS),
]
HardBounce = Annotated[
    float,
    Option(metavar="SHARE", help="Share of the accepted messages.", rich_help_panel=_CALLBACKS),
]
SoftBounce = Annotated[
    float,
    Option(
        metavar="SHARE",
        help="Share of the accepted messages. What the three leave over gets no callback.",
        rich_help_panel=_CALLBACKS,
    ),
]
Unsubscribed = Annotated[
    float,
    Option(metavar="SHARE", help="Share of the delivered messages.", rich_help_panel=_CALLBACKS),
]
Spam = Annotated[
    float,
    Option(metavar="SHARE", help="Share of the delivered messages.", rich_help_panel=_CALLBACKS),
]
Clicked = Annotated[
    float,
    Option(metavar="SHARE", help="Share of the delivered messages.", rich_help_panel=_CALLBACKS),
]
DuplicateCallbacks = Annotated[
    float,
    Option(
        metavar="SHARE",
        help="Share of the messages whose callbacks are all posted twice.",
        rich_help_panel=_CALLBACKS,
    ),
]
CallbackBatch = Annotated[
    int,
    Option(min=1, metavar="N", help="Events in a request, at most.", rich_help_panel=_CALLBACKS),
]
CallbackDelay = Annotated[
    float,
    Option(
        min=0,
        metavar="SECONDS",
        help="From acceptance to the first callback, and from each to the next.",
        rich_help_panel=_CALLBACKS,
    ),
]
CallbackAttempts = Annotated[
    int,
    Option(
        min=1,
        metavar="N",
        help="Tries for a request that meets 429, 5xx or no connection.",
        rich_help_panel=_CALLBACKS,
    ),
]
CallbackBacklog = Annotated[
    int,
    Option(
        min=1,
        metavar="N",
        help="Messages that may wait for their callbacks; what would exceed it is answered 429.",
        rich_help_panel=_CALLBACKS,
    ),
]
FlushSeconds = Annotated[
    float,
    Option(
        min=0,
        metavar="SECONDS",
        help="How long a stop may take to post the callbacks that wait.",
        rich_help_panel=_CALLBACKS,
    ),
]
