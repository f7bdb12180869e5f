"""Everything that is wrong with a provider file, told at once."""

from __future__ import annotations

from typing import Final

import grpc

from entrypoints.cli.client import CALL_TIMEOUT, Client, run
from entrypoints.cli.failures import EXIT_INVALID, Failure, from_status, violations
from entrypoints.cli.provider_file import FaultyFile
from espalier.v1 import provider_pb2

_END: Final = 2**31
"""Sorts behind every line of a file."""

_Entries = list[tuple[int, str]]
"""Lines of the file, each with what is told of it."""


def with_the_services(faulty: FaultyFile, address: str) -> Failure:
    """Return a failure that tells a file's own faults and what the service finds in the rest.

    They stand in the order of the file. Nothing is stored.
    """
    # Its own faults are worth telling at once, so a service that is not there is not waited for.
    found = run(address, lambda client: _found(client, faulty, address), patience=0)
    path = faulty.source.path
    own = [(fault.line, f"{path}:{fault.line}: {fault}") for fault in faulty.faults]
    entries = sorted(own + found, key=lambda entry: entry[0])
    return Failure("\n  ".join(["Invalid argument:", *(text for _, text in entries)]), EXIT_INVALID)


async def _found(client: Client, faulty: FaultyFile, address: str) -> _Entries:
    source = faulty.source
    request = provider_pb2.ConfigureProviderRequest(provider=source.provider, validate_only=True)
    try:
        await client.providers.ConfigureProvider(request, timeout=CALL_TIMEOUT)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            why = from_status(error, address).message.replace("\n", "\n    ")
            return [(_END, f"The service did not look for more:\n    {why}")]
        return [
            (source.line(field), f"{source.place(field)}: {text}") if field else (_END, text)
            for field, text in violations(error)
            if not _is_of_one(field, faulty)
        ]
    return []


def _is_of_one(field: str, faulty: FaultyFile) -> bool:
    """Whether a violation comes of a value that the file has, and that could not be read."""
    unread = [fault.path for fault in faulty.faults if not fault.is_read]
    return any(
        field == path or field.startswith((f"{path}.", f"{path}[", f"{path}#")) for path in unread
    )
