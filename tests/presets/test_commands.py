from __future__ import annotations

import json
from pathlib import Path

import grpc

from espalier.v1 import common_pb2, provider_pb2
from tests.entrypoints.cli_server import INVALID_ARGUMENT, espalier, refuse, serving
from tests.presets.sample import NAMES

_FILE = "nickname: acme\nrequest_type: GET\nhttp_endpoint: https://esp.example/send\n"


class _Providers:
    """Keeps what is configured, warns of the template, and refuses the nickname `bad`."""

    def __init__(self) -> None:
        self.requests: list[provider_pb2.ConfigureProviderRequest] = []

    def ConfigureProvider(
        self, request: provider_pb2.ConfigureProviderRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureProviderResponse:
        self.requests.append(request)
        if request.provider.nickname == "bad":
            refuse(context, INVALID_ARGUMENT, "no", provider__http_endpoint="It needs a host.")
        response = provider_pb2.ConfigureProviderResponse(provider=request.provider, created=True)
        response.provider.callback_url = "http://localhost/callbacks/t0ken"
        response.warnings.append(
            common_pb2.Warning(field="provider.http_endpoint", reason="X", message="Look twice.")
        )
        return response


def test_list_names_every_preset_and_what_must_be_set() -> None:
    result = espalier("provider", "preset", "list")

    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[0] for row in rows[1:]] == list(NAMES)
    assert ["mailgun", "Mailgun (Sinch)", "api_key, domain"] in rows


def test_list_as_json() -> None:
    result = espalier("provider", "preset", "list", "--json")

    assert [each["name"] for each in json.loads(result.stdout)["presets"]] == list(NAMES)


def test_show_tells_settings_and_facts() -> None:
    result = espalier("provider", "preset", "show", "resend")

    assert "api_key (required, secret, else from RESEND_API_KEY)" in result.stdout
    assert "requests_per_second (default 2)" in result.stdout
    assert "unsubscribe_url (optional)" in result.stdout
    verified, not_verified = result.stdout.split("\nNot verified:\n")
    assert "- Signatures as of Svix" in verified
    assert "- The event email.suppressed." in not_verified


def test_show_as_json_has_the_file_with_its_marks() -> None:
    result = espalier("provider", "preset", "show", "resend", "--json")

    shown = json.loads(result.stdout)
    assert '"@@nickname@@"' in shown["provider_file"]
    assert shown["settings"][0]["variable"] == "RESEND_API_KEY"
    assert shown["settings"][0]["required"]


def test_the_file_that_is_shown_can_be_kept_and_applied(tmp_path: Path) -> None:
    setting = "domain=mg.acme.example"
    shown = espalier("provider", "preset", "show", "mailgun", "--file", "--set", setting)
    path = tmp_path / "mailgun.yaml"
    path.write_text(shown.stdout)
    servicer = _Providers()

    with serving(providers=servicer) as address:
        environment = {"ESPALIER_ADDRESS": address, "MAILGUN_API_KEY": "key-1"}
        kept = espalier("provider", "apply", str(path), **environment)
        direct = espalier("provider", "preset", "apply", "mailgun", "--set", setting, **environment)

    assert (kept.exit_code, direct.exit_code) == (0, 0), kept.output + direct.output
    assert "key-1" not in shown.stdout
    [first, second] = servicer.requests
    assert first == second
    assert first.provider.authentication.basic.password == "key-1"


def test_apply_stores_the_provider_and_tells_the_callback_url() -> None:
    servicer = _Providers()

    with serving(providers=servicer) as address:
        result = espalier(
            *("provider", "preset", "apply", "resend", "--address", address),
            *("--set", "api_key=re_1", "--set", "nickname=mine"),
        )

    assert result.exit_code == 0, result.output
    assert "Provider mine is created." in result.stdout
    assert "http://localhost/callbacks/t0ken" in result.stdout
    assert "Warning: preset resend:" in result.stderr
    assert "provider.http_endpoint: Look twice." in result.stderr
    [request] = servicer.requests
    assert not request.validate_only
    assert [(s.name, s.value) for s in request.provider.secrets] == [("api_key", "re_1")]


def test_a_dry_run_only_validates() -> None:
    servicer = _Providers()

    with serving(providers=servicer) as address:
        result = espalier(
            *("provider", "preset", "apply", "resend", "--dry-run", "--address", address),
            RESEND_API_KEY="re_1",
        )

    assert "Provider resend is valid and would be created." in result.stdout
    assert servicer.requests[0].validate_only


def test_what_is_missing_is_told_before_anything_is_asked_of_the_service() -> None:
    result = espalier("provider", "preset", "apply", "mailgun", "--set", "domian=x")

    assert result.exit_code == 2
    assert "no setting domian; did you mean domain?" in result.stderr
    assert "api_key is missing: export MAILGUN_API_KEY" in result.stderr


def test_a_setting_without_a_name_is_not_repeated_since_it_may_be_a_secret() -> None:
    result = espalier("provider", "preset", "apply", "resend", "--set", "re_s3cret")

    assert result.exit_code == 2
    assert "NAME=VALUE" in result.stderr
    assert "re_s3cret" not in result.output


def test_a_preset_that_there_is_not_is_named_with_those_like_it() -> None:
    result = espalier("provider", "preset", "show", "sendgird")

    assert result.exit_code == 3
    assert "There is no preset sendgird; did you mean sendgrid?" in result.stderr


def test_check_says_what_is_worth_knowing_and_stores_nothing(tmp_path: Path) -> None:
    path = tmp_path / "esp.yaml"
    path.write_text(_FILE)
    servicer = _Providers()

    with serving(providers=servicer) as address:
        result = espalier("provider", "check", str(path), "--address", address)

    assert result.exit_code == 0, result.output
    assert f"{path} is valid; see the 1 warning." in result.stdout
    assert f"Warning: {path}:3: provider.http_endpoint: Look twice." in result.stderr
    assert servicer.requests[0].validate_only


def test_check_fails_with_every_violation_and_its_line(tmp_path: Path) -> None:
    path = tmp_path / "esp.yaml"
    path.write_text(_FILE.replace("acme", "bad"))

    with serving(providers=_Providers()) as address:
        result = espalier("provider", "check", str(path), "--address", address)

    assert result.exit_code == 2
    assert f"{path}:3: provider.http_endpoint: It needs a host." in result.stderr
