"""What a command says when it cannot do its work, and the exit code that it ends with.

Exit codes: 0 done; 1 the work was done and went wrong (a campaign failed, a test email was
refused), or the service failed; 2 what was given is not valid; 3 there is no such thing;
4 it collides with what is there; 5 the service cannot be reached or is not ready; 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import grpc
import typer
from google.protobuf import any_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

EXIT_FAILED: Final = 1
EXIT_INVALID: Final = 2
EXIT_NOT_FOUND: Final = 3
EXIT_CONFLICT: Final = 4
EXIT_UNAVAILABLE: Final = 5
EXIT_INTERRUPTED: Final = 130

_EXIT_CODES: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: EXIT_INVALID,
    grpc.StatusCode.OUT_OF_RANGE: EXIT_INVALID,
    grpc.StatusCode.RESOURCE_EXHAUSTED: EXIT_INVALID,
    grpc.StatusCode.NOT_FOUND: EXIT_NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: EXIT_CONFLICT,
    grpc.StatusCode.ABORTED: EXIT_CONFLICT,
    grpc.StatusCode.FAILED_PRECONDITION: EXIT_CONFLICT,
    grpc.StatusCode.UNAVAILABLE: EXIT_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: EXIT_UNAVAILABLE,
}

# What there is instead, by the beginning of the kind of thing that there is not.
_WAYS_ELSEWHERE: Final = {
    "provider": (
        "`espalier provider list` shows those that there are; `espalier provider apply FILE.yaml` "
        "makes a new one."
    ),
    "campaign": "`espalier campaign list` shows those that there are.",
    "message": "`espalier campaign messages CAMPAIGN` shows a campaign's messages with their ids.",
}

# The way out, for the codes whose own message does not say it.
_WAYS_OUT: Final = {
    grpc.StatusCode.UNIMPLEMENTED: (
        "The service at {address} does not know this call: it may be an older version, or another "
        "service. Check --address."
    ),
    grpc.StatusCode.UNAVAILABLE: (
        "Is the service running at {address}? Start it with `espalier serve`, or say where it is "
        "with --address or ESPALIER_ADDRESS."
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: (
        "The service at {address} did not answer in time. Try again; if it happens again, look at "
        "the service's log."
    ),
    grpc.StatusCode.ABORTED: "Read it again, and repeat the change on what is there now.",
    grpc.StatusCode.ALREADY_EXISTS: "To send something else, use another --request-id.",
    grpc.StatusCode.INTERNAL: "The service's log says more.",
    grpc.StatusCode.UNKNOWN: "The service's log says more.",
}

RpcFailure = grpc.aio.AioRpcError | grpc.Call
"""What an RPC of the asyncio client raises, and of the synchronous one."""

Place = Callable[[str], str]
"""Says where the user wrote the field of a violation: the field's path, or a line of a file."""


class Failure(Exception):
    """The command cannot do its work; the text says what is wrong and what to do."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


def from_status(error: RpcFailure, address: str, place: Place = str) -> Failure:
    """Make of an RPC's error what a person can act on, with every violation on a line of its own.

    `place` turns the path of a violation into what the user knows, such as a line of a file.
    """
    code = error.code()
    if found := list(violations(error)):
        # The status's own text is the same once more, joined and cut.
        lines = [f"{_title(code)}:", *(_line(field, text, place) for field, text in found)]
    else:
        lines = [f"{_title(code)}: {error.details() or 'the service gave no reason.'}"]
    delay = retry_delay(error)
    if delay is not None:
        # The service itself has answered: whether it runs is no question then.
        lines.append(f"Try again in {delay:g} s: the service asks for that much patience.")
    elif code in _WAYS_OUT:
        lines.append(_WAYS_OUT[code].format(address=address))
    elif code is grpc.StatusCode.NOT_FOUND:
        lines += _elsewhere(error)
    return Failure("\n".join(lines), _EXIT_CODES.get(code, EXIT_FAILED))


def violations(error: RpcFailure) -> Iterator[tuple[str, str]]:
    """Yield the path and the description of each violation; what is of no field has no path."""
    for detail in _details(error):
        bad_request = error_details_pb2.BadRequest()
        if detail.Unpack(bad_request):
            for violation in bad_request.field_violations:
                yield violation.field, violation.description


def retry_delay(error: RpcFailure) -> float | None:
    """Return the seconds after which the service asks to be called again, None if it does not."""
    for detail in _details(error):
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(retry):
            return retry.retry_delay.ToNanoseconds() / 1e9
    return None


@contextmanager
def reported(interrupted: str = "Interrupted.") -> Iterator[None]:
    """Print a Failure that arises within to standard error, and end with its exit code.

    `interrupted` is what Ctrl-C is answered with.
    """
    try:
        yield
    except Failure as failure:
        typer.secho(failure.message, err=True, fg=typer.colors.RED)
        raise typer.Exit(failure.exit_code) from failure
    except KeyboardInterrupt as interrupt:
        typer.echo(interrupted, err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from interrupt


def _title(code: grpc.StatusCode) -> str:
    return code.name.replace("_", " ").capitalize()


def _line(field: str, text: str, place: Place) -> str:
    # How many did not fit is no fault of a field.
    return f"  {place(field)}: {text}" if field else f"  {text}"


def _elsewhere(error: RpcFailure) -> Iterator[str]:
    for detail in _details(error):
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            kind = info.metadata["kind"].partition(" ")[0]
            if kind in _WAYS_ELSEWHERE:
                yield _WAYS_ELSEWHERE[kind]


def _details(error: RpcFailure) -> Iterator[any_pb2.Any]:
    # It has what from_call reads; the stubs know only the synchronous calls.
    status = rpc_status.from_call(cast(Any, error))
    yield from status.details if status else ()
