"""The command `espalier send`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, cast

import grpc
import typer

from entrypoints.cli import spec_options as opt
from entrypoints.cli.client import DEFAULT_ADDRESS, Address, run
from entrypoints.cli.failures import from_status, reported
from entrypoints.cli.output import Json, as_dict, print_json, print_warnings
from entrypoints.cli.progress import goes_on, watch
from entrypoints.cli.recipient_places import RecipientPlaces
from entrypoints.cli.spec import spec_of
from entrypoints.cli.summary import end_with_state, has_ended, print_summary
from entrypoints.cli.upload import upload
from entrypoints.cli.values import timestamp
from espalier.v1 import campaign_pb2, common_pb2


class Guarantee(StrEnum):
    """What happens to a message whose answer was lost."""

    AT_MOST_ONCE = "at-most-once"
    AT_LEAST_ONCE = "at-least-once"


_GUARANTEES = {
    Guarantee.AT_MOST_ONCE: common_pb2.DELIVERY_GUARANTEE_AT_MOST_ONCE,
    Guarantee.AT_LEAST_ONCE: common_pb2.DELIVERY_GUARANTEE_AT_LEAST_ONCE,
}
# After these nobody knows whether the service has taken the campaign.
_IN_DOUBT: Final = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
}
_WHEN: Final = "When and how"


@opt.takes_content
def send(
    context: typer.Context,
    provider: opt.Provider,
    recipients: opt.Recipients,
    subject: opt.Subject,
    name: Annotated[
        str, typer.Option(help="A name for people; it is never sent.", rich_help_panel=_WHEN)
    ] = "",
    guarantee: Annotated[
        Guarantee,
        typer.Option(
            help="What to do with a message whose answer was lost: leave it as unknown, or send it "
            "again.",
            rich_help_panel=_WHEN,
        ),
    ] = Guarantee.AT_MOST_ONCE,
    send_at: Annotated[
        datetime | None,
        typer.Option(help="When to start, UTC. Default: at once.", rich_help_panel=_WHEN),
    ] = None,
    send_before: Annotated[
        datetime | None,
        typer.Option(
            help="What has not left by then, UTC, is not sent. Default: no limit.",
            rich_help_panel=_WHEN,
        ),
    ] = None,
    request_id: Annotated[
        str,
        typer.Option(
            help="Repeat a send with its id, and nobody gets it twice. Default: a new one.",
            rich_help_panel=_WHEN,
        ),
    ] = "",
    follow: Annotated[
        bool, typer.Option("--watch", help="Stay until it has ended, with a progress bar.")
    ] = False,
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Send a campaign to the recipients of a file.

    A recipient's values come from the columns of a CSV file, or from `replacements` in JSON Lines:
    `Hello $$name` greets everybody by the column `name`. See what would be sent first, with
    `espalier campaign preview` and the same options.

    The campaign is durable once this ends; sending goes on without it. With `--watch` the exit
    code is 0 only if the campaign was completed.

    ```
    espalier send --provider acme --recipients people.csv \\
        --subject 'Hello $$name' --html body.html --set discount=10 --watch
    ```
    """
    with reported():
        spec = _spec(context.params)
        response = _upload(address, spec, recipients)
    _tell(response, spec.request_id)
    campaign = response.campaign
    if follow:
        number = campaign.campaign_id
        campaign = run(address, lambda client: watch(client, number), interrupted=goes_on(number))
    if json:
        print_json(as_dict(campaign))
    else:
        print_summary(campaign)
        if not follow and not has_ended(campaign):
            typer.echo(f"Follow it with `espalier campaign watch {campaign.campaign_id}`.")
    if follow:
        end_with_state(campaign)


def _spec(params: Mapping[str, Any]) -> common_pb2.CampaignSpec:
    spec = spec_of(params)
    spec.request_id = params["request_id"] or str(uuid.uuid4())
    spec.name = params["name"]
    spec.delivery_guarantee = _GUARANTEES[params["guarantee"]]
    for field in ("send_at", "send_before"):
        if (moment := timestamp(params[field])) is not None:
            getattr(spec, field).CopyFrom(moment)
    return spec


def _upload(
    address: str, spec: common_pb2.CampaignSpec, recipients: Path
) -> campaign_pb2.SendCampaignStreamResponse:
    try:
        return upload(address, spec, recipients)
    except grpc.RpcError as error:
        call = cast(grpc.Call, error)
        if call.code() in _IN_DOUBT:
            _tell_way_to_repeat(spec.request_id)
        raise from_status(call, address, RecipientPlaces(recipients)) from error
    except KeyboardInterrupt:
        _tell_way_to_repeat(spec.request_id)
        raise


def _tell(response: campaign_pb2.SendCampaignStreamResponse, request_id: str) -> None:
    if response.already_existed:
        typer.echo(f"Request {request_id} was sent before: this is its campaign.", err=True)
    print_warnings(response.warnings)


def _tell_way_to_repeat(request_id: str) -> None:
    typer.echo(
        f"Repeat the command with --request-id {request_id}: if the campaign was taken after all, "
        "it is found again, and nobody gets it twice.",
        err=True,
    )
