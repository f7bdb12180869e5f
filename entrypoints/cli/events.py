"""The commands `espalier events …`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from entrypoints.cli.client import DEFAULT_ADDRESS, Address, Client, run
from entrypoints.cli.output import Json, as_dict, enum_text, print_json_line, time_text
from espalier.v1 import common_pb2, event_pb2

app = typer.Typer(no_args_is_help=True, help="Read the log of what became of messages.")


class Kind(StrEnum):
    """Type of an event."""

    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    CLICKED = "clicked"
    UNSUBSCRIBED = "unsubscribed"


_TYPES = {
    Kind.SENT: common_pb2.EVENT_TYPE_NOTIFICATION_SENT,
    Kind.DELIVERED: common_pb2.EVENT_TYPE_NOTIFICATION_DELIVERED,
    Kind.FAILED: common_pb2.EVENT_TYPE_NOTIFICATION_FAILED,
    Kind.CLICKED: common_pb2.EVENT_TYPE_NOTIFICATION_CLICKED,
    Kind.UNSUBSCRIBED: common_pb2.EVENT_TYPE_CHANNEL_UNSUBSCRIBED,
}


@app.callback()
def _events() -> None:
    # Without it Typer would make the only command the group itself.
    pass


@app.command("tail")
def tail(
    campaign: Annotated[str, typer.Option(help="Only those of this campaign.")] = "",
    provider: Annotated[str, typer.Option(help="Only those of this provider.")] = "",
    recipient: Annotated[str, typer.Option(help="Only those of this address.")] = "",
    kind: Annotated[
        list[Kind] | None, typer.Option("--type", help="Only this type. May be repeated.")
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with the oldest event that is stored.")
    ] = False,
    cursor: Annotated[str, typer.Option(help="Begin after the event of this cursor.")] = "",
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Print events as they come, one a line, until Ctrl-C.

    With --json each line holds its event's cursor: give the last one as --cursor to go on.
    """
    start = event_pb2.STREAM_START_BEGINNING if from_beginning else event_pb2.STREAM_START_NOW
    request = event_pb2.StreamEventsRequest(
        cursor=cursor,
        start=start,
        filter=event_pb2.EventFilter(
            campaign_id=campaign,
            provider=provider,
            recipient=recipient,
            types=[_TYPES[each] for each in kind or ()],
        ),
    )

    async def work(client: Client) -> None:
        async for response in client.events.StreamEvents(request):
            for event in response.events:
                _print(event, json)

    run(address, work)


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
