"""The command `espalier send`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, cast

import grpc
import orjson
import typer
from google.protobuf.timestamp_pb2 import Timestamp

from entrypoints.cli.client import DEFAULT_ADDRESS, Address, run
from entrypoints.cli.content import read_text
from entrypoints.cli.failures import EXIT_INVALID, Failure, from_status, reported
from entrypoints.cli.output import Json, as_dict, print_json
from entrypoints.cli.progress import end_with_state, print_summary, watch
from entrypoints.cli.recipients import inexact_integer
from entrypoints.cli.upload import upload
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

_File = typer.Option(metavar="FILE", help="File with this body; may hold $$placeholders.")


def send(
    provider: Annotated[str, typer.Option(help="Nickname of the provider to send through.")],
    recipients: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="CSV with a column `email` (`name` and replacements besides), or JSON Lines with "
            "`email`, `name` and `replacements`.",
        ),
    ],
    subject: Annotated[str, typer.Option(help="Subject line; may hold $$placeholders.")],
    html: Annotated[Path | None, _File] = None,
    plaintext: Annotated[Path | None, _File] = None,
    amp_html: Annotated[Path | None, _File] = None,
    name: Annotated[str, typer.Option(help="A name for people; it is never sent.")] = "",
    from_name: Annotated[str, typer.Option(help="Default: the provider's.")] = "",
    from_address: Annotated[str, typer.Option(help="Default: the provider's.")] = "",
    reply_to: Annotated[str, typer.Option(help="Default: the provider's.")] = "",
    cc: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    bcc: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A replacement for all recipients; a VALUE that is JSON keeps its type. "
            "May be repeated.",
        ),
    ] = None,
    guarantee: Annotated[
        Guarantee, typer.Option(help="What to do with a message whose answer was lost.")
    ] = Guarantee.AT_MOST_ONCE,
    send_at: Annotated[datetime | None, typer.Option(help="UTC. Default: at once.")] = None,
    send_before: Annotated[datetime | None, typer.Option(help="UTC. Default: no limit.")] = None,
    request_id: Annotated[
        str, typer.Option(help="Repeat a send with its id, and nobody gets it twice.")
    ] = "",
    follow: Annotated[
        bool, typer.Option("--watch", help="Stay until it has ended, with a progress bar.")
    ] = False,
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Send a campaign to the recipients of a file.

    The campaign is durable once this ends; sending goes on without it. With --watch the exit code
    is 0 only if the campaign was completed.
    """
    with reported():
        spec = common_pb2.CampaignSpec(
            request_id=request_id or str(uuid.uuid4()),
            provider=provider,
            name=name,
            subject=subject,
            from_name=from_name,
            from_address=from_address,
            reply_to=reply_to,
            cc=cc or (),
            bcc=bcc or (),
            html=read_text(html),
            plaintext=read_text(plaintext),
            amp_html=read_text(amp_html),
            delivery_guarantee=_GUARANTEES[guarantee],
            send_at=_timestamp(send_at),
            send_before=_timestamp(send_before),
        )
        spec.replacements.update(_replacements(set_ or ()))
    _send(spec, recipients, follow=follow, json=json, address=address)


def _send(
    spec: common_pb2.CampaignSpec, recipients: Path, *, follow: bool, json: bool, address: str
) -> None:
    with reported():
        response = _upload(address, spec, recipients)
    _tell(response, spec.request_id)
    campaign = response.campaign
    if follow:
        campaign = run(address, lambda client: watch(client, campaign.campaign_id))
    if json:
        print_json(as_dict(campaign))
    else:
        print_summary(campaign)
        if not follow:
            typer.echo(f"Follow it with `espalier campaign watch {campaign.campaign_id}`.")
    if follow:
        end_with_state(campaign)


def _upload(
    address: str, spec: common_pb2.CampaignSpec, recipients: Path
) -> campaign_pb2.SendCampaignStreamResponse:
    try:
        return upload(address, spec, recipients)
    except grpc.RpcError as error:
        call = cast(grpc.Call, error)
        if call.code() in _IN_DOUBT:
            _tell_way_to_repeat(spec.request_id)
        raise from_status(call, address) from error


def _tell(response: campaign_pb2.SendCampaignStreamResponse, request_id: str) -> None:
    if response.already_existed:
        typer.echo(f"Request {request_id} was sent before: this is its campaign.", err=True)
    for warning in response.warnings:
        typer.secho(
            f"Warning: {warning.field}: {warning.message}", err=True, fg=typer.colors.YELLOW
        )


def _tell_way_to_repeat(request_id: str) -> None:
    typer.echo(
        f"Repeat the command with --request-id {request_id}: if the campaign was taken after all, "
        "it is found again, and nobody gets it twice.",
        err=True,
    )


def _replacements(pairs: Iterable[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise Failure(f"--set {pair}: write NAME=VALUE.", EXIT_INVALID)
        try:
            values[name] = orjson.loads(text)
        except orjson.JSONDecodeError:
            values[name] = text
        if inexact_integer(values[name]) is not None:
            # Too long for a number, such as an account's: it is text.
            values[name] = text
    return values


def _timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    timestamp = Timestamp()
    timestamp.FromDatetime(moment.replace(tzinfo=UTC))
    return timestamp
