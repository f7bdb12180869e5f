from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc import code_pb2

from domain.errors import InvalidRequest, NotFound, Violation
from espalier.v1 import campaign_pb2, common_pb2
from tests.entrypoints.cli_server import (
    INVALID_ARGUMENT,
    espalier,
    refuse,
    refuse_as_the_service_does,
    serving,
)


class _Campaigns:
    """Takes campaigns; one through provider `bad` is refused, through `paused` is paused."""

    def __init__(self) -> None:
        self.spec = common_pb2.CampaignSpec()
        self.chunks: list[list[common_pb2.Recipient]] = []
        self.ended = threading.Event()

    def SendCampaignStream(
        self,
        requests: Iterator[campaign_pb2.SendCampaignStreamRequest],
        context: grpc.ServicerContext,
    ) -> campaign_pb2.SendCampaignStreamResponse:
        context.add_callback(self.ended.set)
        self.spec = next(requests).campaign
        if self.spec.provider == "bad":
            refuse(context, INVALID_ARGUMENT, "1 field is not valid.", campaign__html="Required.")
        if self.spec.provider == "nobody":
            refuse_as_the_service_does(context, NotFound("provider", "nobody"))
        if self.spec.provider == "strict":
            people = [r.email for request in requests for r in request.recipients.recipients]
            refuse_as_the_service_does(context, InvalidRequest(_faults_of(people)))
        if self.spec.provider == "down":
            refuse(context, code_pb2.UNAVAILABLE, "The service is shutting down.")
        for request in requests:
            self.chunks.append(list(request.recipients.recipients))
        is_there, state = self.spec.request_id == "again", campaign_pb2.CAMPAIGN_STATE_SENDING
        if is_there:
            state = campaign_pb2.CAMPAIGN_STATE_COMPLETED
        return campaign_pb2.SendCampaignStreamResponse(
            campaign=self._campaign(state), already_existed=is_there
        )

    def WatchCampaign(
        self, request: campaign_pb2.WatchCampaignRequest, context: grpc.ServicerContext
    ) -> Iterator[campaign_pb2.WatchCampaignResponse]:
        states = [campaign_pb2.CAMPAIGN_STATE_SENDING, campaign_pb2.CAMPAIGN_STATE_COMPLETED]
        if self.spec.provider == "paused":
            states[1] = campaign_pb2.CAMPAIGN_STATE_PAUSED
        for state in states:
            yield campaign_pb2.WatchCampaignResponse(campaign=self._campaign(state))

    def _campaign(self, state: campaign_pb2.CampaignState.ValueType) -> campaign_pb2.Campaign:
        return campaign_pb2.Campaign(
            campaign_id="42",
            request_id=self.spec.request_id,
            provider=self.spec.provider,
            subject=self.spec.subject,
            state=state,
            counts=campaign_pb2.MessageCounts(
                total=2_000, accepted=900, delivered=90, hard_bounced=10, suppressed=1_000
            ),
        )


def _faults_of(people: list[str]) -> list[Violation]:
    return [
        Violation(field=f"recipients[{i}].replacements.To", reason="RESERVED", message="is taken")
        for i in range(len(people))
    ]


def _send(tmp_path: Path, address: str, *more: str, provider: str = "acme") -> list[str]:
    people = tmp_path / "people.csv"
    if not people.exists():
        people.write_text("email\n" + "".join(f"p{i}@x.example\n" for i in range(1_500)))
    body = tmp_path / "body.html"
    body.write_text("<p>Hello $$name</p>")
    return [
        *("send", "--provider", provider, "--recipients", str(people), "--subject", "Hi"),
        *("--html", str(body), "--address", address, *more),
    ]


def test_a_campaign_is_streamed_and_its_options_arrive(tmp_path: Path) -> None:
    servicer = _Campaigns()
    with serving(campaigns=servicer) as address:
        result = espalier(
            *_send(tmp_path, address, "--cc", "c@x.example", "--set", "age=7", "--set", "city=Ulm"),
            *("--set", "account=12345678901234567890", "--guarantee", "at-least-once"),
            *("--send-before", "2031-05-06T07:08:09"),
        )
    assert result.exit_code == 0, result.output
    assert [len(chunk) for chunk in servicer.chunks] == [1_000, 500]
    spec = servicer.spec
    assert (spec.html, list(spec.cc)) == ("<p>Hello $$name</p>", ["c@x.example"])
    assert dict(spec.replacements.items()) == {
        "age": 7.0,
        "city": "Ulm",
        "account": "12345678901234567890",
    }
    assert spec.delivery_guarantee == common_pb2.DELIVERY_GUARANTEE_AT_LEAST_ONCE
    assert spec.send_before.ToJsonString() == "2031-05-06T07:08:09Z"
    assert not spec.HasField("send_at")
    assert len(spec.request_id) == 36
    assert "espalier campaign watch 42" in result.stdout


def test_a_repeated_send_whose_campaign_has_ended_is_nothing_to_follow(tmp_path: Path) -> None:
    with serving(campaigns=_Campaigns()) as address:
        result = espalier(*_send(tmp_path, address, "--request-id", "again"))
    assert result.exit_code == 0, result.output
    assert "Request again was sent before: this is its campaign." in result.stderr
    assert ["State", "completed"] in [line.split() for line in result.stdout.splitlines()]
    assert "Follow it" not in result.stdout


def test_watching_ends_with_a_summary_and_its_rates(tmp_path: Path) -> None:
    with serving(campaigns=_Campaigns()) as address:
        result = espalier(*_send(tmp_path, address, "--watch"))
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "State completed" in lines
    assert "Taken by provider 1,000 (50.0%)" in lines
    assert "Delivered 90 (9.0%)" in lines
    assert "Hard bounced 10 (1.0%)" in lines
    assert "Suppressed 1,000" in lines


def test_a_paused_campaign_ends_the_watch_and_says_how_to_go_on(tmp_path: Path) -> None:
    with serving(campaigns=_Campaigns()) as address:
        result = espalier(*_send(tmp_path, address, "--watch", provider="paused"))
    assert result.exit_code == 1
    assert "espalier campaign resume 42" in result.stdout


def test_json_is_all_that_standard_output_holds(tmp_path: Path) -> None:
    with serving(campaigns=_Campaigns()) as address:
        result = espalier(*_send(tmp_path, address, "--watch", "--json", "--request-id", "again"))
    campaign = json.loads(result.stdout)
    assert (campaign["state"], campaign["counts"]["total"]) == ("CAMPAIGN_STATE_COMPLETED", "2000")
    assert "Request again was sent before" in result.stderr


def test_a_refusal_before_the_end_of_the_stream_is_told(tmp_path: Path) -> None:
    with (tmp_path / "people.csv").open("w") as file:
        file.write("email\n")
        file.writelines(f"p{i}@x.example\n" for i in range(100_000))
    with serving(campaigns=_Campaigns()) as address:
        result = espalier(*_send(tmp_path, address, provider="bad"))
    assert result.exit_code == 2
    assert "campaign.html: Required." in result.stderr


def test_a_fault_of_a_recipient_is_told_once_and_with_its_line(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("email\na@x.example\n\nb@x.example\n")
    with serving(campaigns=_Campaigns()) as address:
        result = espalier(*_send(tmp_path, address, provider="strict"))
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "Invalid argument:",
        f"  {people}:2: replacements.To: is taken",
        f"  {people}:4: replacements.To: is taken",
    ]


def test_faults_that_did_not_fit_into_the_answer_are_counted(tmp_path: Path) -> None:
    with serving(campaigns=_Campaigns()) as address:
        result = espalier(*_send(tmp_path, address, provider="strict"))
    told = [line.strip() for line in result.stderr.splitlines()[1:]]
    *lines, last = told
    assert [line.split(":")[1] for line in lines] == [str(2 + i) for i in range(len(lines))]
    assert last.startswith(f"{1_500 - len(lines)} more violations did not fit")


def test_a_provider_that_is_not_there_is_told_with_the_next_step(tmp_path: Path) -> None:
    with serving(campaigns=_Campaigns()) as address:
        result = espalier(*_send(tmp_path, address, provider="nobody"))
    assert result.exit_code == 3
    assert result.stderr.splitlines()[0] == "Not found: there is no provider 'nobody'"
    assert "espalier provider list" in result.stderr
    assert "espalier provider apply FILE.yaml" in result.stderr


def test_after_a_break_the_way_to_repeat_is_told(tmp_path: Path) -> None:
    with serving(campaigns=_Campaigns()) as address:
        result = espalier(*_send(tmp_path, address, "--request-id", "r-1", provider="down"))
    assert result.exit_code == 5
    assert "Repeat the command with --request-id r-1" in result.stderr


class _Slow:
    """Reads a campaign to its end, and does not answer."""

    def __init__(self) -> None:
        self.read = threading.Event()

    def SendCampaignStream(
        self,
        requests: Iterator[campaign_pb2.SendCampaignStreamRequest],
        context: grpc.ServicerContext,
    ) -> campaign_pb2.SendCampaignStreamResponse:
        ended = threading.Event()
        context.add_callback(ended.set)
        for _ in requests:
            pass
        self.read.set()
        ended.wait(timeout=60)
        return campaign_pb2.SendCampaignStreamResponse()


def test_after_ctrl_c_the_way_to_repeat_is_told(tmp_path: Path) -> None:
    servicer = _Slow()
    with serving(campaigns=servicer) as address:
        arguments = _send(tmp_path, address, "--request-id", "r-1")
        process = subprocess.Popen(
            [sys.executable, "-m", "entrypoints.main", *arguments],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert servicer.read.wait(timeout=60)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[0].startswith("Repeat the command with --request-id r-1")
    assert said.splitlines()[1:] == ["Interrupted."]


def test_a_broken_line_breaks_the_stream_off(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("email\n" + "a@x.example\n" * 3_000 + "b,c\n")
    servicer = _Campaigns()
    with serving(campaigns=servicer) as address:
        result = espalier(*_send(tmp_path, address))
        assert servicer.ended.wait(timeout=30)
    assert result.exit_code == 2
    assert f"{people}:3002: it has 2 values" in result.stderr
    # That the service takes nothing of it is shown in tests/e2e/test_bad_input.py: gRPC tells a
    # servicer of a stream that broke off only a moment after it has ended.


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--set", "novalue"), "write NAME=VALUE"),
        (("--plaintext", "/nowhere.txt"), "/nowhere.txt cannot be read"),
        (("--plaintext", "latin.txt"), "latin.txt is not UTF-8 text (byte 1): save it as UTF-8."),
    ],
)
def test_a_bad_option_is_told_before_anything_is_sent(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "latin.txt").write_bytes("Köln".encode("latin-1"))
    arguments = tuple(str(tmp_path / one) if "." in one else one for one in arguments)
    result = espalier(*_send(tmp_path, "127.0.0.1:1", *arguments))
    assert result.exit_code == 2
    assert says in result.stderr
