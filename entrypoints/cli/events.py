"""The commands `espalier events …`."""

from __future__ import annotations

import math
from contextlib import aclosing
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from entrypoints.cli.client import DEFAULT_ADDRESS, Address, Client, run
from entrypoints.cli.completion import campaign_ids, nicknames
from entrypoints.cli.output import (
    JsonLines,
    as_dict,
    enum_text,
    print_json_line,
    time_text,
)
from entrypoints.cli.paging import Limit, pages
from entrypoints.cli.resuming import resumed
from entrypoints.cli.values import timestamp
from espalier.v1 import common_pb2, event_pb2

app = typer.Typer(
    no_args_is_help=True, help="Read the log of what became of messages: past events, and new ones."
)


class Kind(StrEnum):
    """Type of an event."""

    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    CLICKED = "clicked"
    UNSUBSCRIBED = "unsubscribed"
    OPENED = "opened"
    DEFERRED = "deferred"
    DROPPED = "dropped"
    RESUBSCRIBED = "resubscribed"
    UNKNOWN = "unknown"


_TYPES = {
    Kind.SENT: common_pb2.EVENT_TYPE_NOTIFICATION_SENT,
    Kind.DELIVERED: common_pb2.EVENT_TYPE_NOTIFICATION_DELIVERED,
    Kind.FAILED: common_pb2.EVENT_TYPE_NOTIFICATION_FAILED,
    Kind.CLICKED: common_pb2.EVENT_TYPE_NOTIFICATION_CLICKED,
    Kind.UNSUBSCRIBED: common_pb2.EVENT_TYPE_CHANNEL_UNSUBSCRIBED,
    Kind.OPENED: common_pb2.EVENT_TYPE_NOTIFICATION_OPENED,
    Kind.DEFERRED: common_pb2.EVENT_TYPE_NOTIFICATION_DEFERRED,
    Kind.DROPPED: common_pb2.EVENT_TYPE_NOTIFICATION_DROPPED,
    Kind.RESUBSCRIBED: common_pb2.EVENT_TYPE_CHANNEL_RESUBSCRIBED,
    Kind.UNKNOWN: common_pb2.EVENT_TYPE_NOTIFICATION_UNKNOWN,
}

Campaign = Annotated[
    str, typer.Option(help="Only those of this campaign.", autocompletion=campaign_ids)
]
Provider = Annotated[
    str, typer.Option(help="Only those of this provider.", autocompletion=nicknames)
]
RecipientAddress = Annotated[str, typer.Option(help="Only those of this address.")]
MessageId = Annotated[str, typer.Option(help="Only those of this message, by its id.")]
Kinds = Annotated[
    list[Kind] | None, typer.Option("--type", help="Only this type. May be repeated.")
]
Test = Annotated[
    bool | None,
    typer.Option(
        "--test/--no-test",
        show_default=False,
        help="Only those of test emails, or none of them. Default: both.",
    ),
]


@app.command("list")
def list_(
    campaign: Campaign = "",
    provider: Provider = "",
    recipient: RecipientAddress = "",
    message: MessageId = "",
    kind: Kinds = None,
    test: Test = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only those received at this time, UTC, or later.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Only those received before this time, UTC.")
    ] = None,
    oldest_first: Annotated[
        bool, typer.Option("--oldest-first", help="In the order in which they were stored.")
    ] = False,
    limit: Limit = 100,
    json: JsonLines = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List events, newest first.

    ```
    espalier events list --campaign 7 --type failed
    espalier events list --recipient ada@example.com --since 2031-05-06
    espalier events list --oldest-first --limit 0 --json > events.jsonl
    ```
    """
    chosen = _filter(campaign, provider, recipient, message, kind, test)
    for field, moment in ((chosen.start_time, since), (chosen.end_time, until)):
        if (made := timestamp(moment)) is not None:
            field.CopyFrom(made)
    request = event_pb2.ListEventsRequest(filter=chosen, newest_first=not oldest_first)

    async def work(client: Client) -> int:
        shown = 0
        async for page in pages(client.events.ListEvents, request, "events", limit=limit):
            for event in page:
                _print(event, json)
            shown += len(page)
        return shown

    if not run(address, work) and not json:
        typer.echo("There is no such event.", err=True)


@app.command("tail")
def tail(
    campaign: Campaign = "",
    provider: Provider = "",
    recipient: RecipientAddress = "",
    message: MessageId = "",
    kind: Kinds = None,
    test: Test = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with the oldest event that is stored.")
    ] = False,
    cursor: Annotated[str, typer.Option(help="Begin after the event of this cursor.")] = "",
    json: JsonLines = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Print events as they come, one a line, until Ctrl-C.

    A service that goes away is waited for, and nothing is missed meanwhile. With `--json` each
    line holds its event's cursor: give the last one as `--cursor` to go on there another time.
    """
    request = event_pb2.StreamEventsRequest(
        cursor=cursor,
        start=event_pb2.STREAM_START_BEGINNING if from_beginning else event_pb2.STREAM_START_NOW,
        filter=_filter(campaign, provider, recipient, message, kind, test),
    )

    async def work(client: Client) -> None:
        stream = resumed(lambda: client.events.StreamEvents(request), patience=math.inf)
        async with aclosing(stream) as responses:
            async for response in responses:
                for event in response.events:
                    _print(event, json)
                # After a break the stream begins here again.
                request.cursor = response.next_cursor

    run(address, work)


def _filter(
    campaign: str,
    provider: str,
    recipient: str,
    message: str,
    kinds: list[Kind] | None,
    test: bool | None,
) -> event_pb2.EventFilter:
    return event_pb2.EventFilter(
        campaign_id=campaign,
        provider=provider,
        recipient=recipient,
        message_id=message,
        types=[_TYPES[each] for each in kinds or ()],
        test=test,
    )


def _print(event: event_pb2.Event, json: bool) -> None:
    if json:
        print_json_line(as_dict(event))
        return
    parts = (
        time_text(event, "occur_time"),
        enum_text(event, "type").replace("_", " "),
        event.recipient,
        f"campaign {event.campaign_id}" if event.campaign_id else "",
        event.provider,
        event.error or event.unsubscribe_type,
        "(test)" if event.test else "",
    )
    typer.echo("  ".join(part for part in parts if part))
