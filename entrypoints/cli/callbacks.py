"""The commands `espalier callbacks …`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from entrypoints.cli.client import CALL_TIMEOUT, DEFAULT_ADDRESS, Address, Client, run
from entrypoints.cli.completion import nicknames
from entrypoints.cli.failures import EXIT_FAILED, EXIT_INVALID, Failure, reported
from entrypoints.cli.output import Json, as_dict, print_json, print_table, time_text
from entrypoints.cli.values import timestamp
from espalier.v1 import event_pb2

app = typer.Typer(
    no_args_is_help=True,
    help="What ESPs report to the callback URL of a provider with a webhook mapping.",
)

Nickname = Annotated[
    str,
    typer.Argument(help="The provider's nickname, in any letter case.", autocompletion=nicknames),
]
_COLUMNS = ("ESP'S TYPE", "TYPE", "ADDRESS", "MESSAGE", "TIME", "DESCRIPTION", "NOT PROCESSED")


@app.command("simulate")
def simulate(
    provider: Nickname,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The body. Default: standard input.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="A header, NAME: VALUE. May be repeated.")
    ] = None,
    query: Annotated[str, typer.Option(help="The query of the URL, without `?`.")] = "",
    method: Annotated[str, typer.Option(help="POST or GET.")] = "POST",
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Show what would come of a callback, and store nothing.

    ```
    espalier callbacks simulate acme bounce.json
    espalier callbacks simulate acme form.txt --header 'Content-Type: text/plain'
    ```

    Signatures are not checked. A body that cannot be read ends with exit code 1.
    """
    with reported():
        request = event_pb2.SimulateCallbackRequest(
            provider=provider,
            method=method,
            headers=dict(map(_header, header or ())),
            query=query,
            body=b"" if method.upper() == "GET" and file is None else _body(file),
        )

    async def work(client: Client) -> event_pb2.SimulateCallbackResponse:
        return await client.events.SimulateCallback(request, timeout=CALL_TIMEOUT)

    response = run(address, work)
    if json:
        print_json(as_dict(response))
    else:
        _print(response)
    if response.problem:
        raise typer.Exit(EXIT_FAILED)


@app.command("replay")
def replay(
    provider: Nickname,
    since: Annotated[
        datetime | None, typer.Option(help="Only those received at this time, UTC, or later.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Only those received before this time, UTC.")
    ] = None,
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Read the callbacks that were kept again, by the provider's present mapping.

    After a mapping was corrected: what is stored already is not stored again. It may be broken off
    and repeated at any time.
    """
    request = event_pb2.ReplayCallbacksRequest(
        provider=provider,
        start_time=timestamp(since),
        end_time=timestamp(until),
    )
    total = event_pb2.ReplayCallbacksResponse()

    async def work(client: Client) -> None:
        while True:
            page = await client.events.ReplayCallbacks(request, timeout=CALL_TIMEOUT)
            total.requests += page.requests
            total.unreadable_requests += page.unreadable_requests
            total.events += page.events
            total.processed_events += page.processed_events
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    run(address, work)
    if json:
        print_json(as_dict(total))
        return
    typer.echo(
        f"{total.requests:,} requests were read again, of which {total.unreadable_requests:,} "
        f"cannot be read. Of their {total.events:,} events {total.processed_events:,} belong to "
        "messages that were sent from here, and are stored."
    )


def _print(response: event_pb2.SimulateCallbackResponse) -> None:
    if response.problem:
        typer.echo(f"The ESP would be answered {response.status}: {response.problem}", err=True)
        return
    print_table(
        _COLUMNS,
        (
            (
                *(event.esp_type, event.callback_type, event.email),
                event.message_id or event.esp_message_id,
                *(time_text(event, "occur_time"), event.description, event.reason),
            )
            for event in response.events
        ),
        "The whole request would be skipped." if response.request_skipped else "It has no event.",
    )
    if response.skipped_events:
        typer.echo(f"{response.skipped_events:,} events would be skipped.")


def _body(file: Path | None) -> bytes:
    if file is None:
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.", EXIT_INVALID) from error


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise Failure(f"--header {text!r} is no header; write it NAME: VALUE.", EXIT_INVALID)
    return name.strip(), value.strip()
