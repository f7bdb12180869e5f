"""What the commands that store or check a provider have in common."""

from __future__ import annotations

import typer

from entrypoints.cli.client import CALL_TIMEOUT, Client, run
from entrypoints.cli.output import as_dict, print_json, print_warnings
from entrypoints.cli.provider_file import ProviderFile
from espalier.v1 import provider_pb2


def configured(
    source: ProviderFile, *, validate_only: bool, address: str
) -> provider_pb2.ConfigureProviderResponse:
    """Give a provider to the service, and print its warnings with their lines.

    Ends the command, with every violation and its line, if the provider is refused.
    """

    async def work(client: Client) -> provider_pb2.ConfigureProviderResponse:
        request = provider_pb2.ConfigureProviderRequest(
            provider=source.provider, validate_only=validate_only
        )
        return await client.providers.ConfigureProvider(request, timeout=CALL_TIMEOUT)

    response = run(address, work, source.place)
    print_warnings(response.warnings, source.place)
    return response


def print_configured(
    response: provider_pb2.ConfigureProviderResponse, *, validate_only: bool, json: bool
) -> None:
    if json:
        print_json(as_dict(response))
        return
    done = "created" if response.created else "replaced"
    would = "is valid and would be " if validate_only else "is "
    typer.echo(f"Provider {response.provider.nickname} {would}{done}.")
    if response.provider.callback_url:
        typer.echo(f"Callback URL, for the provider's settings: {response.provider.callback_url}")
