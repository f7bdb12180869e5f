"""The commands `espalier provider …`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from entrypoints.cli import preset
from entrypoints.cli import spec_options as opt
from entrypoints.cli.client import CALL_TIMEOUT, DEFAULT_ADDRESS, Address, Client, run
from entrypoints.cli.completion import nicknames
from entrypoints.cli.failures import EXIT_FAILED, reported
from entrypoints.cli.output import (
    Json,
    as_dict,
    print_facts,
    print_json,
    print_table,
    time_text,
)
from entrypoints.cli.paging import whole_list
from entrypoints.cli.provider_configuring import configured, print_configured
from entrypoints.cli.provider_facts import facts_of, request_type
from entrypoints.cli.provider_faults import with_the_services
from entrypoints.cli.provider_file import FaultyFile, ProviderFile, read_provider_file
from entrypoints.cli.provider_status import status_word
from entrypoints.cli.spec import spec_of
from espalier.v1 import common_pb2, provider_pb2

app = typer.Typer(no_args_is_help=True, help="Configure the email providers that campaigns use.")
app.add_typer(preset.app, name="preset")

Nickname = Annotated[
    str,
    typer.Argument(help="The provider's nickname, in any letter case.", autocompletion=nicknames),
]


@app.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The provider, as YAML.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and store nothing.")
    ] = False,
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Create a provider, or replace the one of that nickname, from a YAML file.

    The file has the names of the API's fields:

    ```
    nickname: acme
    request_type: POST
    http_endpoint: https://api.acme.example/send
    headers:
      - {name: X-Api-Key, value: "${ACME_KEY}", secret: true}
    batch: {max_messages: 1000}
    default_from_name: Ada
    default_from_address: ada@example.com
    parameters: |
      {"messages": [{"to": "$$To", "subject": "$$Subject",
                     "from": "$$FromAddress", "from_name": "$$FromName",
                     "html": "$$HTML", "meta": "$$MessageID"}]}
    ```

    In a password, a key, a secret or a header's value, each `${NAME}` is taken from the
    environment. Secrets that the file leaves out stay as they are stored. Give the callback URL
    that is printed to the provider, and try it with `espalier provider test`.
    """
    with reported():
        source = _read(file, address)

    response = configured(source, validate_only=dry_run, address=address)
    print_configured(response, validate_only=dry_run, json=json)


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The provider, as YAML.")],
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Say what is wrong with a provider file, and what is worth knowing of it; nothing is stored.

    The exit code is 2 if the service would refuse it.
    """
    with reported():
        source = _read(file, address)
    response = configured(source, validate_only=True, address=address)
    count = len(response.warnings)
    told = f"; see the {count} warning{'s' * (count != 1)}" if count else ""
    typer.echo(f"{file} is valid{told}.")


@app.command("get")
def get(nickname: Nickname, json: Json = False, address: Address = DEFAULT_ADDRESS) -> None:
    """Show one provider. Secrets are never shown."""

    async def work(client: Client) -> provider_pb2.Provider:
        request = provider_pb2.GetProviderRequest(nickname=nickname)
        response = await client.providers.GetProvider(request, timeout=CALL_TIMEOUT)
        return response.provider

    provider = run(address, work)
    if json:
        print_json(as_dict(provider))
    else:
        print_facts(facts_of(provider))


@app.command("list")
def list_(json: Json = False, address: Address = DEFAULT_ADDRESS) -> None:
    """List all providers."""
    providers = run(address, _all_providers)
    if json:
        print_json({"providers": [as_dict(provider) for provider in providers]})
        return
    print_table(
        ("NICKNAME", "TYPE", "ENDPOINT", "STATUS", "UPDATED"),
        (
            (
                p.nickname,
                request_type(p),
                p.http_endpoint,
                status_word(p.status),
                time_text(p, "update_time"),
            )
            for p in providers
        ),
        "There is no provider yet. Make one with `espalier provider apply FILE.yaml`.",
    )


@app.command("delete")
def delete(
    nickname: Nickname,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Delete a provider; its callback URL still takes what comes of mail sent before."""
    if not yes:
        typer.confirm(
            f"Delete provider {nickname}? Its callback URL still takes what comes.", abort=True
        )

    async def work(client: Client) -> None:
        request = provider_pb2.DeleteProviderRequest(nickname=nickname)
        await client.providers.DeleteProvider(request, timeout=CALL_TIMEOUT)

    run(address, work)
    typer.echo(f"Provider {nickname} is deleted.")


@app.command("test")
@opt.takes_content
def send_test(
    context: typer.Context,
    nickname: Nickname,
    to: Annotated[str, typer.Option("--to", help="Address that gets the message.")],
    name: Annotated[str, typer.Option(help="Name of who gets it.")] = "",
    subject: opt.Subject = "Test email",
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Send one real message through a provider, and show the request and the answer.

    The exit code is 1 unless the provider accepted the message.

    ```
    espalier provider test acme --to ada@example.com --html body.html --set off=10
    ```
    """
    with reported():
        spec = spec_of(context.params)
        spec.html = spec.html or "<p>This is a test email.</p>"

    async def work(client: Client) -> provider_pb2.SendTestEmailResponse:
        request = provider_pb2.SendTestEmailRequest(
            nickname=nickname,
            recipient=common_pb2.Recipient(email=to, name=name),
            campaign=spec,
        )
        # The provider's own timeout may be five minutes.
        return await client.providers.SendTestEmail(request, timeout=300 + CALL_TIMEOUT)

    response = run(address, work)
    if json:
        print_json(as_dict(response))
    else:
        _print_exchange(response)
    if not response.accepted:
        raise typer.Exit(EXIT_FAILED)


def _read(file: Path, address: str) -> ProviderFile:
    """Return the provider of a file. Failure: it is none, with all that the service says too."""
    try:
        return read_provider_file(file, os.environ)
    except FaultyFile as faulty:
        raise with_the_services(faulty, address) from faulty


async def _all_providers(client: Client) -> list[provider_pb2.Provider]:
    request = provider_pb2.ListProvidersRequest()
    return await whole_list(client.providers.ListProviders, request, "providers")


def _print_exchange(response: provider_pb2.SendTestEmailResponse) -> None:
    exchange = response.exchange
    typer.echo(exchange.request.curl)
    typer.echo("")
    if exchange.status_code:
        typer.echo(f"HTTP {exchange.status_code}")
        for header in exchange.response_headers:
            typer.echo(f"{header.name}: {header.value}")
        typer.echo(exchange.response_body)
    if exchange.transport_error:
        typer.echo(f"No whole answer came: {exchange.transport_error}")
    verdict = "accepted" if response.accepted else "did not accept"
    typer.echo(f"The provider {verdict} message {response.message_id}.")
