"""The commands `espalier campaign messages` and `espalier campaign message`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final

import typer

from entrypoints.cli.client import CALL_TIMEOUT, DEFAULT_ADDRESS, Address, Client, run
from entrypoints.cli.completion import campaign_ids
from entrypoints.cli.failures import EXIT_INVALID, Failure, reported
from entrypoints.cli.output import (
    Json,
    JsonLines,
    as_dict,
    enum_text,
    print_facts,
    print_json,
    print_json_line,
    print_table,
    time_text,
)
from entrypoints.cli.paging import Limit, pages
from espalier.v1 import campaign_pb2
from espalier.v1.campaign_pb2 import Message


class State(StrEnum):
    """Where a message stands, written as it is shown."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SUPPRESSED = "suppressed"
    DUPLICATE = "duplicate"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DELIVERED = "delivered"
    SOFT_BOUNCED = "soft_bounced"
    HARD_BOUNCED = "hard_bounced"
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINED = "complained"
    CLICKED = "clicked"


# Reasons of cancelled messages that say no more than their campaign does.
_OF_THE_CAMPAIGN: Final = {"", "CAMPAIGN_CANCELLED"}
_WHY_SUPPRESSED: Final = "`espalier suppressions check {email}` says since when and why."
# The next step, for the states that leave a question open.
_NEXT_STEPS: Final[Mapping[str, str]] = {
    State.QUEUED: "It is still to be sent: see `espalier campaign show {campaign}`.",
    State.SUPPRESSED: _WHY_SUPPRESSED,
    State.HARD_BOUNCED: _WHY_SUPPRESSED,
    State.UNSUBSCRIBED: _WHY_SUPPRESSED,
    State.COMPLAINED: _WHY_SUPPRESSED,
    State.DUPLICATE: (
        "An earlier recipient has this address: "
        "`espalier campaign message --campaign {campaign} --email {email}` shows what became of it."
    ),
    State.UNKNOWN: (
        "It may have arrived, or not: its request left and the answer does not tell. A callback "
        "still may. Decide with `espalier campaign resolve {campaign} --message {message}` and "
        "`--resend` or `--abandon`."
    ),
}


def messages(
    campaign_id: Annotated[
        str,
        typer.Argument(
            metavar="CAMPAIGN", help="The campaign's id, digits.", autocompletion=campaign_ids
        ),
    ],
    state: Annotated[
        list[State] | None, typer.Option(help="Only those in this state. May be repeated.")
    ] = None,
    email: Annotated[str, typer.Option(help="Only those to this address.")] = "",
    limit: Limit = 100,
    json: JsonLines = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List the messages of a campaign, in the order of its recipients.

    ```
    espalier campaign messages 7 --state rejected --state unknown
    espalier campaign messages 7 --limit 0 --json > messages.jsonl
    ```
    """
    found: list[Message] = []
    request = campaign_pb2.ListMessagesRequest(
        campaign_id=campaign_id, states=[_number(each) for each in state or ()], email=email
    )

    async def work(client: Client) -> campaign_pb2.Campaign:
        fetch = client.campaigns.ListMessages
        async for page in pages(fetch, request, "messages", limit=limit):
            if not json:
                found.extend(page)
                continue
            for message in page:
                print_json_line(as_dict(message))
        return await _end_of(client, found)

    end = run(address, work)
    if not json:
        columns = ("MESSAGE", "RECIPIENT", "STATE", "SINCE", "BECAUSE")
        print_table(columns, (_row(each, end) for each in found), "There is no such message.")


def message(
    message_id: Annotated[
        str, typer.Argument(metavar="MESSAGE", help="The message's id.", show_default=False)
    ] = "",
    campaign: Annotated[
        str,
        typer.Option(
            metavar="CAMPAIGN",
            help="With --email: the message of this campaign.",
            autocompletion=campaign_ids,
        ),
    ] = "",
    email: Annotated[
        str, typer.Option(metavar="ADDRESS", help="With --campaign: the message to this address.")
    ] = "",
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Show one message with all that happened to it: why did this person not get it?

    ```
    espalier campaign message --campaign 7 --email ada@example.com
    espalier campaign message MESSAGE
    ```
    """
    with reported():
        request = _request(message_id, campaign, email)

    async def work(
        client: Client,
    ) -> tuple[campaign_pb2.GetMessageResponse, campaign_pb2.Campaign]:
        response = await client.campaigns.GetMessage(request, timeout=CALL_TIMEOUT)
        return response, await _end_of(client, [] if json else [response.message])

    response, end = run(address, work)
    if json:
        print_json(as_dict(response))
    else:
        _print(response, end)


def _number(state: State) -> campaign_pb2.MessageState.ValueType:
    return campaign_pb2.MessageState.Value(f"MESSAGE_STATE_{state.name}")


def _request(message_id: str, campaign: str, email: str) -> campaign_pb2.GetMessageRequest:
    by_address = bool(campaign and email) and not message_id
    by_id = bool(message_id) and not (campaign or email)
    if not by_address and not by_id:
        raise Failure(
            "Say which message: its id, or --campaign together with --email.", EXIT_INVALID
        )
    return campaign_pb2.GetMessageRequest(message_id=message_id, campaign_id=campaign, email=email)


async def _end_of(client: Client, found: Sequence[Message]) -> campaign_pb2.Campaign:
    """Return the campaign if its end explains some of these messages, else an empty one."""
    ended = next((each for each in found if _went_with_its_campaign(each)), None)
    if ended is None:
        return campaign_pb2.Campaign()
    request = campaign_pb2.GetCampaignRequest(campaign_id=ended.campaign_id)
    return (await client.campaigns.GetCampaign(request, timeout=CALL_TIMEOUT)).campaign


def _went_with_its_campaign(message: Message) -> bool:
    """Whether it was cancelled by the end of its campaign, which then says when and why."""
    cancelled = message.state == campaign_pb2.MESSAGE_STATE_CANCELLED
    return cancelled and not message.detail and message.reason in _OF_THE_CAMPAIGN


def _row(message: Message, end: campaign_pb2.Campaign) -> tuple[str, ...]:
    return (
        message.message_id,
        message.email,
        enum_text(message, "state"),
        *_since_and_because(message, end),
    )


def _since_and_because(message: Message, end: campaign_pb2.Campaign) -> tuple[str, str]:
    since, because = time_text(message, "update_time"), message.detail or message.reason
    if _went_with_its_campaign(message):
        return since or time_text(end, "end_time"), end.state_reason or because
    return since, because


def _print(response: campaign_pb2.GetMessageResponse, end: campaign_pb2.Campaign) -> None:
    message = response.message
    since, because = _since_and_because(message, end)
    state = enum_text(message, "state")
    print_facts(
        {
            "Message": message.message_id,
            "The ESP's id": message.esp_message_id,
            "Campaign": message.campaign_id,
            "Recipient": f"{message.name} <{message.email}>" if message.name else message.email,
            "State": state,
            "Because": because,
            "Since": since,
        }
    )
    typer.echo("")
    print_table(
        ("TIME", "WHAT HAPPENED"),
        (
            (time_text(entry, "time"), f"{entry.text} {entry.detail}".rstrip())
            for entry in response.timeline
        ),
        "Nothing has happened to it yet.",
    )
    if step := _NEXT_STEPS.get(state):
        typer.echo("")
        typer.echo(
            step.format(
                campaign=message.campaign_id, message=message.message_id, email=message.email
            )
        )
