from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import grpc
from google.rpc import code_pb2

from entrypoints.cli.provider_file import read_provider_file
from espalier.v1 import common_pb2, provider_pb2
from tests.entrypoints.cli_server import INVALID_ARGUMENT, espalier, refuse, serving, try_later

_FILE = "nickname: acme\nrequest_type: GET\nhttp_endpoint: https://esp.example/send\n"


class _Providers:
    """Keeps the requests, and knows the providers p0 to p2 in two pages."""

    def __init__(self) -> None:
        self.requests: list[object] = []

    def ConfigureProvider(
        self, request: provider_pb2.ConfigureProviderRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureProviderResponse:
        self.requests.append(request)
        if request.provider.nickname == "bad":
            refuse(
                context,
                INVALID_ARGUMENT,
                "provider.http_endpoint: It needs a host.; provider.parameters: Requi…",
                provider__http_endpoint="It needs a host.",
                provider__parameters="Required.",
            )
        response = provider_pb2.ConfigureProviderResponse(provider=request.provider, created=True)
        response.provider.callback_url = "http://localhost/callbacks/t0ken"
        response.warnings.append(
            common_pb2.Warning(field="provider.http_endpoint", reason="X", message="Look twice.")
        )
        return response

    def GetProvider(
        self, request: provider_pb2.GetProviderRequest, context: grpc.ServicerContext
    ) -> provider_pb2.GetProviderResponse:
        if request.nickname == "nobody":
            refuse(context, code_pb2.NOT_FOUND, f"There is no provider {request.nickname}.")
        return provider_pb2.GetProviderResponse(provider=_provider(request.nickname))

    def ListProviders(
        self, request: provider_pb2.ListProvidersRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ListProvidersResponse:
        if request.page_token:
            return provider_pb2.ListProvidersResponse(providers=[_provider("p2")])
        return provider_pb2.ListProvidersResponse(
            providers=[_provider("p0"), _provider("[red]p1")], next_page_token="more"
        )

    def DeleteProvider(
        self, request: provider_pb2.DeleteProviderRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DeleteProviderResponse:
        self.requests.append(request)
        return provider_pb2.DeleteProviderResponse()

    def SendTestEmail(
        self, request: provider_pb2.SendTestEmailRequest, context: grpc.ServicerContext
    ) -> provider_pb2.SendTestEmailResponse:
        self.requests.append(request)
        status = 202 if request.nickname == "good" else 403
        return provider_pb2.SendTestEmailResponse(
            accepted=status == 202,
            message_id="m-1",
            exchange=provider_pb2.HttpExchange(
                request=common_pb2.HttpRequest(curl="curl -X POST https://esp.example"),
                status_code=status,
                response_body="the answer",
            ),
        )


class _Busy:
    def ListProviders(
        self, request: provider_pb2.ListProvidersRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ListProvidersResponse:
        try_later(context, "The database does not answer.", seconds=2.5)
        raise AssertionError


def _provider(nickname: str) -> provider_pb2.Provider:
    return provider_pb2.Provider(
        nickname=nickname,
        request_type=provider_pb2.REQUEST_TYPE_POST,
        http_endpoint="https://esp.example",
    )


def test_apply_stores_the_file_and_tells_the_callback_url(tmp_path: Path) -> None:
    path = tmp_path / "esp.yaml"
    path.write_text(_FILE)
    servicer = _Providers()
    with serving(providers=servicer) as address:
        result = espalier("provider", "apply", str(path), ESPALIER_ADDRESS=address)
    assert result.exit_code == 0, result.output
    assert "Provider acme is created." in result.stdout
    assert "http://localhost/callbacks/t0ken" in result.stdout
    assert f"Warning: {path}:3: provider.http_endpoint: Look twice." in result.stderr
    [request] = servicer.requests
    assert isinstance(request, provider_pb2.ConfigureProviderRequest)
    assert request.provider.http_endpoint == "https://esp.example/send"
    assert not request.validate_only


def test_a_dry_run_only_validates(tmp_path: Path) -> None:
    path = tmp_path / "esp.yaml"
    path.write_text(_FILE)
    servicer = _Providers()
    with serving(providers=servicer) as address:
        result = espalier("provider", "apply", str(path), "--dry-run", "--address", address)
    assert "is valid and would be created" in result.stdout
    [request] = servicer.requests
    assert isinstance(request, provider_pb2.ConfigureProviderRequest)
    assert request.validate_only


def test_every_violation_is_told_with_its_line_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "esp.yaml"
    path.write_text(_FILE.replace("acme", "bad"))
    with serving(providers=_Providers()) as address:
        result = espalier("provider", "apply", str(path), "--address", address)
    assert result.exit_code == 2
    # The status's own text holds the same once more.
    assert result.stderr.splitlines() == [
        "Invalid argument:",
        f"  {path}:3: provider.http_endpoint: It needs a host.",
        f"  {path}:1: provider.parameters: Required.",
    ]


def test_an_unknown_provider_ends_with_exit_code_3() -> None:
    with serving(providers=_Providers()) as address:
        result = espalier("provider", "get", "nobody", "--address", address)
    assert result.exit_code == 3
    assert "There is no provider nobody." in result.stderr


def test_one_provider_is_shown_in_words_and_as_json() -> None:
    with serving(providers=_Providers()) as address:
        words = espalier("provider", "get", "p0", "--address", address)
        as_json = espalier("provider", "get", "p0", "--json", "--address", address)
    assert ["Request", "POST", "https://esp.example"] in [
        line.split() for line in words.stdout.splitlines()
    ]
    assert json.loads(as_json.stdout)["http_endpoint"] == "https://esp.example"


def test_list_reads_every_page_and_takes_no_name_for_markup() -> None:
    with serving(providers=_Providers()) as address:
        table = espalier("provider", "list", "--address", address)
        as_json = espalier("provider", "list", "--json", "--address", address)
    assert "[red]p1" in table.stdout
    assert [p["nickname"] for p in json.loads(as_json.stdout)["providers"]] == [
        "p0",
        "[red]p1",
        "p2",
    ]


def test_delete_asks_first() -> None:
    servicer = _Providers()
    with serving(providers=servicer) as address:
        asked = espalier("provider", "delete", "p0", "--address", address)
        assert asked.exit_code == 1
        assert servicer.requests == []
        told = espalier("provider", "delete", "p0", "--yes", "--address", address)
    assert told.exit_code == 0
    assert servicer.requests == [provider_pb2.DeleteProviderRequest(nickname="p0")]


def test_a_refused_test_email_ends_with_exit_code_1() -> None:
    with serving(providers=_Providers()) as address:
        good = espalier("provider", "test", "good", "--to", "a@b.example", "--address", address)
        bad = espalier("provider", "test", "bad", "--to", "a@b.example", "--address", address)
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert "HTTP 202" in good.stdout
    assert "The provider did not accept message m-1." in bad.stdout


def test_a_test_email_takes_replacements_and_bodies(tmp_path: Path) -> None:
    plaintext = tmp_path / "body.txt"
    plaintext.write_text("Hello $$name, $$city")
    servicer = _Providers()
    options = ("--name", "Ann", "--set", "city=Ulm", "--plaintext", str(plaintext))
    with serving(providers=servicer) as address:
        espalier("provider", "test", "good", "--to", "a@b.example", *options, "--address", address)
    [request] = servicer.requests
    assert isinstance(request, provider_pb2.SendTestEmailRequest)
    assert request.recipient == common_pb2.Recipient(email="a@b.example", name="Ann")
    assert dict(request.campaign.replacements.items()) == {"city": "Ulm"}
    assert request.campaign.plaintext == "Hello $$name, $$city"
    assert request.campaign.html == "<p>This is a test email.</p>"


def test_a_busy_service_is_told_with_the_time_to_wait_and_is_not_said_to_be_down() -> None:
    with serving(providers=_Busy()) as address:
        result = espalier("provider", "list", "--address", address)
    assert result.exit_code == 5
    assert "Try again in 2.5 s" in result.stderr
    assert "Is the service running" not in result.stderr


def test_the_help_names_every_command_and_shows_a_first_use() -> None:
    result = espalier("--help")
    assert result.exit_code == 0
    for command in ("provider", "send", "campaign", "events", "suppressions", "simulate-esp"):
        assert command in result.stdout
    assert "espalier provider apply acme.yaml" in result.stdout


def test_the_provider_file_that_the_help_shows_is_one(tmp_path: Path) -> None:
    shown = espalier("provider", "apply", "--help").stdout
    begin, end = shown.index("  nickname: acme"), shown.index("In a password,")
    path = tmp_path / "acme.yaml"
    path.write_text(textwrap.dedent(shown[begin:end]))
    provider = read_provider_file(path, {"ACME_KEY": "k"}).provider
    assert (provider.nickname, provider.headers[0].value) == ("acme", "k")
    assert json.loads(provider.parameters)["messages"][0]["meta"] == "$$MessageID"


def _completed(words: str, **environment: str) -> list[str]:
    """Return what the shell offers for the last word."""
    completing = {"_ESPALIER_COMPLETE": "complete_bash", "COMP_WORDS": words}
    place = {"COMP_CWORD": str(len(words.split(" ")) - 1)}
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv[0] = 'espalier'; from entrypoints.main import main; main()",
        ],
        env={**os.environ, **completing, **place, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.stderr == ""
    return result.stdout.split()


def test_the_shell_completes_commands() -> None:
    assert _completed("espalier pro") == ["provider"]


def test_the_shell_completes_nicknames_that_the_service_knows() -> None:
    with serving(providers=_Providers()) as address:
        assert _completed("espalier provider get p", ESPALIER_ADDRESS=address) == ["p0"]
        assert _completed("espalier send --provider p", ESPALIER_ADDRESS=address) == ["p0"]
        assert _completed("espalier provider get q", ESPALIER_ADDRESS=address) == []


def test_without_a_service_the_shell_completes_no_nickname() -> None:
    assert _completed("espalier provider get p", ESPALIER_ADDRESS="127.0.0.1:1") == []
