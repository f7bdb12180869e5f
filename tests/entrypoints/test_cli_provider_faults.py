"""`espalier provider apply` of a file that has faults of its own."""

from __future__ import annotations

import socket
from pathlib import Path

import grpc

from domain.errors import Conflict, InvalidRequest, Violation
from domain.provider_rules import check
from entrypoints.convert.provider import read_provider
from espalier.v1 import provider_pb2
from tests.entrypoints.cli_server import espalier, refuse_as_the_service_does, serving

_FAULTY = """\
nickname: not a name
request_type: PUT
http_endpoint: https:///send
nickname: esp
oops: 1
headers:
  - {name: "X Key", value: "${NOPE}", secret: true}
limits: {max_in_flight: many, max_attempts: 99}
"""
_GOOD = "nickname: esp\nrequest_type: GET\nhttp_endpoint: https://esp.example/\n"
_PLACEHOLDERS = "".join(
    f"  - {{name: {name}, value: $${name}}}\n"
    for name in ("To", "Subject", "FromName", "FromAddress")
)


class _Providers:
    """Checks as the service does, and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[provider_pb2.ConfigureProviderRequest] = []

    def ConfigureProvider(
        self, request: provider_pb2.ConfigureProviderRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureProviderResponse:
        self.requests.append(request)
        if request.provider.etag:
            refuse_as_the_service_does(context, Conflict("provider", request.provider.nickname))
        wanted = read_provider(request.provider)
        found, _ = check(wanted.config)
        if found or wanted.faults:
            more = Violation(field="", reason="MORE", message="There are more.")
            faults = [*wanted.refusal(found).violations, more]
            refuse_as_the_service_does(context, InvalidRequest(faults))
        return provider_pb2.ConfigureProviderResponse(provider=request.provider, created=True)


def _apply(path: Path, text: str, address: str) -> list[str]:
    """What is told of a file that is refused, with `FILE` for its path."""
    path.write_text(text)
    result = espalier("provider", "apply", str(path), "--address", address)
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr.replace(str(path), "FILE").splitlines()


def test_a_files_own_faults_and_those_that_the_service_finds_stand_in_the_order_of_its_lines(
    tmp_path: Path,
) -> None:
    servicer = _Providers()
    with serving(providers=servicer) as address:
        told = _apply(tmp_path / "esp.yaml", _FAULTY, address)
    assert told[0] == "Invalid argument:"
    # The request type is asked for by the service too, which got none: once is enough.
    assert [line.split(": ")[:2] for line in told[1:-1]] == [
        ["  FILE:1", "provider.nickname"],
        ["  FILE:2", "provider.request_type"],
        ["  FILE:3", "provider.http_endpoint"],
        ["  FILE:4", "provider.nickname"],
        ["  FILE:5", "provider.oops"],
        ["  FILE:7", "provider.headers[0].value"],
        ["  FILE:7", "provider.headers[0].name"],
        ["  FILE:8", "provider.limits.max_in_flight"],
        ["  FILE:8", "provider.limits.max_attempts"],
    ]
    assert told[-1] == "  There are more."
    assert [request.validate_only for request in servicer.requests] == [True]


def test_a_file_whose_faults_are_all_its_own_is_not_stored(tmp_path: Path) -> None:
    servicer = _Providers()
    text = f"{_GOOD}query_parameters:\n{_PLACEHOLDERS}oops: 1\n"
    with serving(providers=servicer) as address:
        told = _apply(tmp_path / "esp.yaml", text, address)
    assert [line.split(";")[0] for line in told] == [
        "Invalid argument:",
        "  FILE:9: provider.oops: there is no such field",
    ]
    assert [request.validate_only for request in servicer.requests] == [True]


def test_where_the_service_could_not_look_the_files_own_faults_are_told_with_the_reason(
    tmp_path: Path,
) -> None:
    text = f"{_GOOD}etag: e-1\noops: 1\n"
    with serving(providers=_Providers()) as address:
        changed = _apply(tmp_path / "esp.yaml", text, address)
    with socket.socket() as reserved:
        # Bound and not listening: nobody answers there, and nobody else can take the port.
        reserved.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{reserved.getsockname()[1]}"
        away = _apply(tmp_path / "esp.yaml", text, nobody)
    assert changed[1].startswith("  FILE:5: provider.oops: ")
    assert changed[2] == "  The service did not look for more:"
    assert changed[3].startswith("    Aborted: provider 'esp'")
    assert away[:3] == changed[:3]
    assert away[3].startswith("    Unavailable: ")
    assert away[4].startswith(f"    Is the service running at {nobody}?")
