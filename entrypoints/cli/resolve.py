"""The command `espalier campaign resolve`."""

from __future__ import annotations

from typing import Annotated

import typer

from entrypoints.cli.client import CALL_TIMEOUT, DEFAULT_ADDRESS, Address, Client, run
from entrypoints.cli.completion import campaign_ids
from entrypoints.cli.failures import EXIT_INVALID, Failure, reported
from entrypoints.cli.output import Json, as_dict, print_json
from espalier.v1 import campaign_pb2


def resolve(
    campaign_id: Annotated[
        str,
        typer.Argument(
            metavar="CAMPAIGN", help="The campaign's id, digits.", autocompletion=campaign_ids
        ),
    ],
    resend: Annotated[
        bool | None,
        typer.Option(
            "--resend/--abandon",
            show_default=False,
            help="Send them again, or give them up. One of the two must be given.",
        ),
    ] = None,
    message: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MESSAGE",
            help="Only this message, by its id. May be repeated. Default: all that are unknown.",
        ),
    ] = None,
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Decide about messages whose outcome was lost.

    Such a message is `unknown`: its request left, and the answer never came, so it may have
    arrived. With `--resend` whoever had got it gets it twice; with `--abandon` whoever had not
    never gets it. `espalier campaign messages CAMPAIGN --state unknown` shows whom it concerns.

    It may be called after the campaign has ended, which `--resend` starts again.
    """
    with reported():
        if resend is None:
            raise Failure("Say what to do with them: --resend or --abandon.", EXIT_INVALID)
    action = (
        campaign_pb2.UNKNOWN_MESSAGE_ACTION_RESEND
        if resend
        else campaign_pb2.UNKNOWN_MESSAGE_ACTION_ABANDON
    )

    async def work(client: Client) -> campaign_pb2.ResolveUnknownMessagesResponse:
        request = campaign_pb2.ResolveUnknownMessagesRequest(
            campaign_id=campaign_id, action=action, message_ids=message
        )
        return await client.campaigns.ResolveUnknownMessages(request, timeout=CALL_TIMEOUT)

    response = run(address, work)
    if json:
        print_json(as_dict(response))
        return
    typer.echo(f"{'Queued again' if resend else 'Given up'}: {response.resolved_count:,}.")
    if response.skipped_count:
        typer.echo(f"Left alone, since they were not unknown: {response.skipped_count:,}.")
    if resend and response.resolved_count:
        typer.echo(f"Follow it with `espalier campaign watch {campaign_id}`.")
