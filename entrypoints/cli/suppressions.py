"""The commands `espalier suppressions …`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from entrypoints.cli.client import CALL_TIMEOUT, DEFAULT_ADDRESS, Address, Client, run
from entrypoints.cli.output import Json, as_dict, enum_text, print_json, print_table, time_text
from entrypoints.cli.paging import Limit, whole_list
from espalier.v1 import suppression_pb2

app = typer.Typer(
    no_args_is_help=True, help="Addresses that are not to be mailed, by any campaign."
)


class Reason(StrEnum):
    """Why an address is suppressed, written as it is shown."""

    HARD_BOUNCE = "hard_bounce"
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINT = "complaint"
    MANUAL = "manual"


Emails = Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="1 to 1,000 addresses.")]


@app.command("list")
def list_(
    prefix: Annotated[str, typer.Option(help="Only addresses that begin with this.")] = "",
    reason: Annotated[Reason | None, typer.Option(help="Only those for this reason.")] = None,
    limit: Limit = 100,
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List suppressed addresses in their order."""

    async def work(client: Client) -> list[suppression_pb2.Suppression]:
        request = suppression_pb2.ListSuppressionsRequest(
            email_prefix=prefix,
            reason=_number(reason) if reason else suppression_pb2.SUPPRESSION_REASON_UNSPECIFIED,
        )
        fetch = client.suppressions.ListSuppressions
        return await whole_list(fetch, request, "suppressions", limit=limit)

    suppressions = run(address, work)
    if json:
        print_json({"suppressions": [as_dict(entry) for entry in suppressions]})
        return
    print_table(
        ("ADDRESS", "REASON", "SINCE", "DETAIL"),
        ((s.email, *_why(s)) for s in suppressions),
        "No such address is suppressed." if prefix or reason else "No address is suppressed.",
    )


@app.command("check")
def check(emails: Emails, json: Json = False, address: Address = DEFAULT_ADDRESS) -> None:
    """Tell which addresses are suppressed, and why."""

    async def work(client: Client) -> suppression_pb2.CheckSuppressionsResponse:
        request = suppression_pb2.CheckSuppressionsRequest(emails=emails)
        return await client.suppressions.CheckSuppressions(request, timeout=CALL_TIMEOUT)

    response = run(address, work)
    if json:
        print_json(as_dict(response))
        return
    print_table(
        ("ADDRESS", "SUPPRESSED", "REASON", "SINCE", "DETAIL"),
        (
            (r.email, "yes", *_why(r.suppression)) if r.suppressed else (r.email, "no", "", "", "")
            for r in response.results
        ),
        "No address was given.",
    )


@app.command("add")
def add(
    emails: Emails,
    detail: Annotated[str, typer.Option(help="Why, for those who look at it later.")] = "",
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Suppress addresses: nothing is sent to them any more."""

    async def work(client: Client) -> suppression_pb2.AddSuppressionsResponse:
        request = suppression_pb2.AddSuppressionsRequest(emails=emails, detail=detail)
        return await client.suppressions.AddSuppressions(request, timeout=CALL_TIMEOUT)

    response = run(address, work)
    if json:
        print_json(as_dict(response))
    else:
        typer.echo(
            f"Suppressed: {response.added_count}. "
            f"Suppressed before: {response.already_suppressed_count}."
        )


@app.command("remove")
def remove(emails: Emails, json: Json = False, address: Address = DEFAULT_ADDRESS) -> None:
    """Take addresses off the list: they are mailed again."""

    async def work(client: Client) -> suppression_pb2.RemoveSuppressionsResponse:
        request = suppression_pb2.RemoveSuppressionsRequest(emails=emails)
        return await client.suppressions.RemoveSuppressions(request, timeout=CALL_TIMEOUT)

    response = run(address, work)
    if json:
        print_json(as_dict(response))
    else:
        typer.echo(
            f"Taken off the list: {response.removed_count}. Not on it: {response.not_found_count}."
        )


def _why(entry: suppression_pb2.Suppression) -> tuple[str, str, str]:
    return enum_text(entry, "reason"), time_text(entry, "create_time"), entry.detail


def _number(reason: Reason) -> suppression_pb2.SuppressionReason.ValueType:
    return suppression_pb2.SuppressionReason.Value(f"SUPPRESSION_REASON_{reason.name}")
