"""The command `espalier campaign preview`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from entrypoints.cli import spec_options as opt
from entrypoints.cli.client import CALL_TIMEOUT, DEFAULT_ADDRESS, Address, Client, run
from entrypoints.cli.failures import EXIT_INVALID, Failure, reported
from entrypoints.cli.output import (
    Json,
    as_dict,
    enum_text,
    print_json,
    print_table,
    print_warnings,
)
from entrypoints.cli.recipient_places import RecipientPlaces
from entrypoints.cli.recipients import read_chunks
from entrypoints.cli.spec import spec_of
from espalier.v1 import campaign_pb2
from espalier.v1.common_pb2 import HttpRequest, Recipient

# As many as the API previews at once.
_MOST: Final = 1_000


@opt.takes_content
def preview(
    context: typer.Context,
    provider: opt.Provider,
    recipients: opt.Recipients,
    subject: opt.Subject,
    first: Annotated[
        int,
        typer.Option(min=1, max=_MOST, metavar="N", help="Show it for the first N recipients."),
    ] = 3,
    curl: Annotated[
        bool, typer.Option("--curl", help="Show each request as a curl command instead.")
    ] = False,
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Show the requests that a campaign would make, byte for byte, and send nothing.

    Secrets are shown as `***`, and the ids of campaign and messages are examples. Recipients that
    would get nothing are told with the reason.

    ```
    espalier campaign preview --provider acme --recipients people.csv \\
        --subject 'Hello $$name' --html body.html --curl
    ```
    """
    with reported():
        spec = spec_of(context.params)
        people = _first(recipients, first)

    async def work(client: Client) -> campaign_pb2.PreviewCampaignResponse:
        request = campaign_pb2.PreviewCampaignRequest(campaign=spec, recipients=people)
        return await client.campaigns.PreviewCampaign(request, timeout=CALL_TIMEOUT)

    place = RecipientPlaces(recipients)
    response = run(address, work, place)
    print_warnings(response.warnings, place)
    if json:
        print_json(as_dict(response))
        return
    for number, previewed in enumerate(response.requests, start=1):
        _print(previewed, f"{number} of {len(response.requests)}", curl=curl)
    _print_rejections(response.rejections)


def _first(path: Path, number: int) -> list[Recipient]:
    people = next(read_chunks(path, number), None)
    if people is None:
        raise Failure(f"{path} has no recipients.", EXIT_INVALID)
    return people


def _print(previewed: campaign_pb2.PreviewedRequest, place: str, *, curl: bool) -> None:
    request = previewed.request
    # A comment, so that what is printed with --curl can go to a shell as it is.
    number = len(previewed.emails)
    messages = f"{number:,} message{'s' if number != 1 else ''}"
    typer.secho(f"# Request {place}: {messages}, {_people(previewed.emails)}", bold=True)
    if curl:
        typer.echo(request.curl)
    else:
        _print_request(request)
    typer.echo("")


def _people(emails: Sequence[str]) -> str:
    if len(emails) <= 3:
        return ", ".join(emails)
    return f"{emails[0]} to {emails[-1]}"


def _print_request(request: HttpRequest) -> None:
    typer.echo(f"{request.method} {request.url}")
    for header in request.headers:
        typer.echo(f"{header.name}: {header.value}")
    if request.body:
        typer.echo(f"\n{request.body}")


def _print_rejections(rejections: Sequence[campaign_pb2.Rejection]) -> None:
    if rejections:
        typer.secho("# These would get nothing:", bold=True)
        rows = ((each.email, enum_text(each, "state"), each.message) for each in rejections)
        print_table(("ADDRESS", "STATE", "BECAUSE"), rows, "")
