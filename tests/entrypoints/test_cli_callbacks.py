"""`espalier callbacks …` against a server of the test's own."""

import json
from pathlib import Path

import grpc
from typer.testing import CliRunner

from entrypoints.main import app
from espalier.v1 import event_pb2
from tests.entrypoints.cli_server import espalier, serving


class _Events:
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self, problem: str = "") -> None:
        self.problem = problem
        self.simulated = event_pb2.SimulateCallbackRequest()
        self.tokens: list[str] = []
        self.replayed = event_pb2.ReplayCallbacksRequest()

    def SimulateCallback(
        self, request: event_pb2.SimulateCallbackRequest, context: grpc.ServicerContext
    ) -> event_pb2.SimulateCallbackResponse:
        self.simulated = request
        if self.problem:
            return event_pb2.SimulateCallbackResponse(status=400, problem=self.problem)
        event = event_pb2.SimulatedEvent(
            esp_type="bounced", callback_type="hard_bounce", email="a@x.example", message_id="m1"
        )
        return event_pb2.SimulateCallbackResponse(events=[event], skipped_events=2, status=200)

    def ReplayCallbacks(
        self, request: event_pb2.ReplayCallbacksRequest, context: grpc.ServicerContext
    ) -> event_pb2.ReplayCallbacksResponse:
        self.replayed = request
        self.tokens.append(request.page_token)
        return event_pb2.ReplayCallbacksResponse(
            requests=10,
            unreadable_requests=1,
            events=20,
            processed_events=15,
            next_page_token="" if request.page_token else "more",
        )


def test_a_callback_out_of_a_file_is_shown_with_what_would_come_of_it(tmp_path: Path) -> None:
    body, events = tmp_path / "body.json", _Events()
    body.write_bytes(b"\x00{}")
    with serving(events=events) as address:
        arguments = ("callbacks", "simulate", "acme", str(body), "--address", address)
        result = espalier(*arguments, "--header", "X-Id: 1:2", "--query", "a=b")
    assert result.exit_code == 0
    assert "bounced\thard_bounce\ta@x.example\tm1" in result.output
    assert "2 events would be skipped." in result.output
    asked = events.simulated
    assert (asked.provider, asked.body, asked.query) == ("acme", b"\x00{}", "a=b")
    assert dict(asked.headers) == {"X-Id": "1:2"}


def test_the_body_may_come_from_standard_input() -> None:
    events = _Events()
    with serving(events=events) as address:
        arguments = ["callbacks", "simulate", "acme", "--json", "--address", address]
        result = CliRunner().invoke(app, arguments, input=b"{}")
    assert json.loads(result.output)["events"][0]["message_id"] == "m1"
    assert events.simulated.body == b"{}"


def test_a_body_that_cannot_be_read_fails_the_command(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"?")
    with serving(events=_Events("body: is not JSON")) as address:
        result = espalier("callbacks", "simulate", "acme", str(body), "--address", address)
    assert result.exit_code == 1
    assert "400: body: is not JSON" in result.output


def test_a_header_without_a_name_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    result = espalier("callbacks", "simulate", "acme", "-", "--header", "nonsense")
    assert result.exit_code == 2
    assert "NAME: VALUE" in result.output


def test_a_replay_goes_through_all_pages_and_tells_the_sums() -> None:
    events = _Events()
    with serving(events=events) as address:
        arguments = ("callbacks", "replay", "acme", "--since", "2031-05-06", "--address", address)
        result = espalier(*arguments)
    assert result.exit_code == 0
    assert events.tokens == ["", "more"]
    assert events.replayed.start_time.seconds == 1_935_792_000
    assert "20 requests" in result.output
    assert "40 events 30 belong" in result.output
