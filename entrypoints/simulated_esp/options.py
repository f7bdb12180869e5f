"""The flags of `espalier simulate-esp` for listening, reading, faults and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

_LISTENING = "Listening"
_READING = "Reading requests"
_FAULTS = "Faults (shares of all requests, at most one each)"
_REFUSING = "Refused recipients"

Host = Annotated[
    str,
    Option(
        help="Address to listen on. The control endpoints ask for no password: keep it local.",
        rich_help_panel=_LISTENING,
    ),
]
Port = Annotated[
    int,
    Option(
        min=0,
        max=65535,
        envvar="SIMULATED_ESP_PORT",
        show_envvar=True,
        help="Port; 0 picks a free one.",
        rich_help_panel=_LISTENING,
    ),
]
TlsCert = Annotated[
    Path | None,
    Option(
        exists=True,
        dir_okay=False,
        readable=True,
        help="Serve HTTPS with this certificate chain (PEM).",
        rich_help_panel=_LISTENING,
    ),
]
TlsKey = Annotated[
    Path | None,
    Option(
        exists=True,
        dir_okay=False,
        readable=True,
        help="The certificate's private key (PEM).",
        rich_help_panel=_LISTENING,
    ),
]
RequireBasic = Annotated[
    str,
    Option(
        metavar="USER:PASSWORD",
        envvar="SIMULATED_ESP_BASIC",
        show_envvar=True,
        help="Answer 401 without this Basic authentication.",
        rich_help_panel=_LISTENING,
    ),
]
Sink = Annotated[
    bool,
    Option(
        "--sink",
        help="For benchmarks: answer everything 200, count requests, read nothing in them. "
        "No other flag but those of this group counts then.",
        rich_help_panel=_LISTENING,
    ),
]
MetaKey = Annotated[
    list[str] | None,
    Option(
        metavar="KEY",
        help="Key that holds the message id, at any depth; may be repeated, the first that is "
        "present wins. Without it: mid, message_id, meta and others of that kind.",
        rich_help_panel=_READING,
    ),
]
ToKey = Annotated[
    list[str] | None,
    Option(
        metavar="KEY",
        help="Key that holds the recipient's address, at any depth; may be repeated. Without it: "
        "to, email, recipient and others of that kind.",
        rich_help_panel=_READING,
    ),
]
Idempotent = Annotated[
    bool,
    Option(
        "--idempotent",
        help="Answer a repeated idempotency key as the first time, and accept nothing twice.",
        rich_help_panel=_READING,
    ),
]
IdempotencyHeader = Annotated[
    str, Option(metavar="NAME", help="The key's header.", rich_help_panel=_READING)
]
MaxBody = Annotated[
    int,
    Option(
        min=1,
        metavar="BYTES",
        help="Answer 413 to longer bodies.",
        rich_help_panel=_READING,
    ),
]
Keep = Annotated[
    int,
    Option(
        min=0,
        metavar="N",
        help="Keep the last N requests and messages for the control endpoints; 64 MiB of each "
        "at most.",
        rich_help_panel=_READING,
    ),
]
Seed = Annotated[
    int,
    Option(
        help="The same seed makes the same faults, and the same callbacks for the same addresses.",
        rich_help_panel=_FAULTS,
    ),
]
Delay = Annotated[
    str,
    Option(
        metavar="SECONDS",
        help="Wait before answering each request: 0.5, or a range such as 0.1-0.5.",
        rich_help_panel=_FAULTS,
    ),
]
Throttle = Annotated[
    float, Option(metavar="SHARE", help="Answer 429 with Retry-After.", rich_help_panel=_FAULTS)
]
RetryAfter = Annotated[
    int,
    Option(min=0, metavar="SECONDS", help="What Retry-After says.", rich_help_panel=_FAULTS),
]
ClientErrors = Annotated[
    float, Option(metavar="SHARE", help="Answer --client-error-status.", rich_help_panel=_FAULTS)
]
ClientErrorStatus = Annotated[
    int, Option(metavar="STATUS", help="From 400 to 499.", rich_help_panel=_FAULTS)
]
ServerErrors = Annotated[
    float, Option(metavar="SHARE", help="Answer --server-error-status.", rich_help_panel=_FAULTS)
]
ServerErrorStatus = Annotated[
    int, Option(metavar="STATUS", help="From 500 to 599.", rich_help_panel=_FAULTS)
]
Drop = Annotated[
    float,
    Option(
        metavar="SHARE",
        help="Close the connection without reading the body: nothing is accepted.",
        rich_help_panel=_FAULTS,
    ),
]
LoseAnswers = Annotated[
    float,
    Option(
        metavar="SHARE",
        help="Accept the messages, then close the connection without an answer.",
        rich_help_panel=_FAULTS,
    ),
]
Garbage = Annotated[
    float,
    Option(
        metavar="SHARE",
        help="Accept, and answer 200 with what is no JSON.",
        rich_help_panel=_FAULTS,
    ),
]
Drip = Annotated[
    float,
    Option(metavar="SHARE", help="Send the answer one byte at a time.", rich_help_panel=_FAULTS),
]
DripSeconds = Annotated[
    float,
    Option(min=0, metavar="SECONDS", help="Between two such bytes.", rich_help_panel=_FAULTS),
]
Reject = Annotated[
    float,
    Option(
        metavar="SHARE",
        help="Share of the addresses that are refused, always the same ones.",
        rich_help_panel=_REFUSING,
    ),
]
Refuse = Annotated[
    list[str] | None,
    Option(
        metavar="ADDRESS", help="Refuse this address; may be repeated.", rich_help_panel=_REFUSING
    ),
]
RefusalStatus = Annotated[
    int,
    Option(
        metavar="STATUS",
        help="What a request with a refused address is answered, 400 to 499; nothing of it is "
        "accepted then.",
        rich_help_panel=_REFUSING,
    ),
]
Partial = Annotated[
    bool,
    Option(
        "--partial",
        help="Accept the other messages of a batch, and answer 200 with an outcome for each.",
        rich_help_panel=_REFUSING,
    ),
]
AddressRules = Annotated[
    bool,
    Option(
        help="Let addresses choose their fate: reject@, bounce@, soft@, unsub@, spam@, click@, "
        "quiet@, also with digits or punctuation after the word (bounce1@, bounce+a@).",
        rich_help_panel=_REFUSING,
    ),
]
