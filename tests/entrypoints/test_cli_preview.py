from __future__ import annotations

import json
from pathlib import Path

import grpc

from domain.errors import InvalidRequest, Violation
from espalier.v1 import campaign_pb2, common_pb2
from tests.entrypoints.cli_server import espalier, refuse_as_the_service_does, serving


class _Campaigns:
    """Previews one request for all but the last recipient, who is suppressed."""

    def __init__(self) -> None:
        self.request = campaign_pb2.PreviewCampaignRequest()

    def PreviewCampaign(
        self, request: campaign_pb2.PreviewCampaignRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.PreviewCampaignResponse:
        self.request = request
        *emails, last = [recipient.email for recipient in request.recipients]
        return campaign_pb2.PreviewCampaignResponse(
            requests=[campaign_pb2.PreviewedRequest(request=_REQUEST, emails=emails)],
            rejections=[
                campaign_pb2.Rejection(
                    email=last,
                    state=campaign_pb2.MESSAGE_STATE_SUPPRESSED,
                    message="It bounced in campaign 3.",
                )
            ],
            warnings=[common_pb2.Warning(field="campaign.html", message="It has no link.")],
        )


_REQUEST = common_pb2.HttpRequest(
    method="POST",
    url="https://esp.example/send",
    headers=[common_pb2.HttpHeader(name="X-Key", value="***")],
    body='{"to": "p0@x.example"}',
    curl="curl -H 'X-Key: ***' https://esp.example/send",
)


def _preview(tmp_path: Path, address: str, *more: str) -> list[str]:
    people = tmp_path / "people.csv"
    people.write_text("email\n" + "".join(f"p{i}@x.example\n" for i in range(10)))
    return [
        *("campaign", "preview", "--provider", "acme", "--recipients", str(people)),
        *("--subject", "Hi $$name", "--address", address, *more),
    ]


def test_a_preview_shows_the_requests_and_who_would_get_nothing(tmp_path: Path) -> None:
    servicer = _Campaigns()
    with serving(campaigns=servicer) as address:
        result = espalier(*_preview(tmp_path, address, "--set", "age=7"))
    assert result.exit_code == 0, result.output
    assert [each.email for each in servicer.request.recipients] == [
        f"p{i}@x.example" for i in range(3)
    ]
    assert dict(servicer.request.campaign.replacements.items()) == {"age": 7.0}
    assert result.stdout.splitlines()[:5] == [
        "# Request 1 of 1: 2 messages, p0@x.example, p1@x.example",
        "POST https://esp.example/send",
        "X-Key: ***",
        "",
        '{"to": "p0@x.example"}',
    ]
    assert "p2@x.example\tsuppressed\tIt bounced in campaign 3.\n" in result.stdout
    assert "Warning: campaign.html: It has no link." in result.stderr


def test_a_preview_as_curl_shows_nothing_else_that_a_shell_would_run(tmp_path: Path) -> None:
    with serving(campaigns=_Campaigns()) as address:
        result = espalier(*_preview(tmp_path, address, "--curl", "--first", "9"))
    assert result.stdout.splitlines()[:2] == [
        "# Request 1 of 1: 8 messages, p0@x.example to p7@x.example",
        _REQUEST.curl,
    ]
    assert "X-Key: ***\n" not in result.stdout


def test_a_preview_as_json_has_it_all(tmp_path: Path) -> None:
    with serving(campaigns=_Campaigns()) as address:
        result = espalier(*_preview(tmp_path, address, "--json"))
    preview = json.loads(result.stdout)
    assert preview["requests"][0]["request"]["curl"] == _REQUEST.curl
    assert preview["rejections"][0]["state"] == "MESSAGE_STATE_SUPPRESSED"


class _Strict:
    """Finds fault with the last recipient."""

    def PreviewCampaign(
        self, request: campaign_pb2.PreviewCampaignRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.PreviewCampaignResponse:
        field = f"recipients[{len(request.recipients) - 1}].replacements.To"
        fault = Violation(field=field, reason="RESERVED", message="is taken")
        refuse_as_the_service_does(context, InvalidRequest([fault]))
        raise AssertionError


def test_a_fault_of_a_recipient_is_told_with_its_line(tmp_path: Path) -> None:
    with serving(campaigns=_Strict()) as address:
        result = espalier(*_preview(tmp_path, address))
    assert f"{tmp_path / 'people.csv'}:4: replacements.To: is taken" in result.stderr


def test_a_file_without_recipients_has_no_preview(tmp_path: Path) -> None:
    arguments = _preview(tmp_path, "127.0.0.1:1")
    (tmp_path / "people.csv").write_text("email\n")
    result = espalier(*arguments)
    assert result.exit_code == 2
    assert "has no recipients" in result.stderr
