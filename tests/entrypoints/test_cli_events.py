from __future__ import annotations

import json
from collections.abc import Iterator

import grpc

from espalier.v1 import common_pb2, event_pb2, suppression_pb2
from tests.entrypoints.cli_server import espalier, serving


class _Events:
    """Streams two events in two responses, and ends, as a test must."""

    def __init__(self) -> None:
        self.request = event_pb2.StreamEventsRequest()

    def StreamEvents(
        self, request: event_pb2.StreamEventsRequest, context: grpc.ServicerContext
    ) -> Iterator[event_pb2.StreamEventsResponse]:
        self.request = request
        yield event_pb2.StreamEventsResponse(next_cursor="0")
        for number in (1, 2):
            event = event_pb2.Event(
                cursor=str(number),
                type=common_pb2.EVENT_TYPE_NOTIFICATION_FAILED,
                recipient=f"p{number}@x.example",
                error="mailbox full",
            )
            yield event_pb2.StreamEventsResponse(events=[event], next_cursor=str(number))


class _Suppressions:
    def ListSuppressions(
        self, request: suppression_pb2.ListSuppressionsRequest, context: grpc.ServicerContext
    ) -> suppression_pb2.ListSuppressionsResponse:
        return suppression_pb2.ListSuppressionsResponse(
            suppressions=[_entry(f"{request.email_prefix}@x.example")], next_page_token="more"
        )

    def CheckSuppressions(
        self, request: suppression_pb2.CheckSuppressionsRequest, context: grpc.ServicerContext
    ) -> suppression_pb2.CheckSuppressionsResponse:
        first, second = request.emails
        return suppression_pb2.CheckSuppressionsResponse(
            results=[
                suppression_pb2.CheckedAddress(
                    email=first, suppressed=True, suppression=_entry(first)
                ),
                suppression_pb2.CheckedAddress(email=second),
            ]
        )

    def AddSuppressions(
        self, request: suppression_pb2.AddSuppressionsRequest, context: grpc.ServicerContext
    ) -> suppression_pb2.AddSuppressionsResponse:
        return suppression_pb2.AddSuppressionsResponse(
            added_count=len(request.emails), already_suppressed_count=len(request.detail)
        )

    def RemoveSuppressions(
        self, request: suppression_pb2.RemoveSuppressionsRequest, context: grpc.ServicerContext
    ) -> suppression_pb2.RemoveSuppressionsResponse:
        return suppression_pb2.RemoveSuppressionsResponse(removed_count=len(request.emails))


def _entry(email: str) -> suppression_pb2.Suppression:
    return suppression_pb2.Suppression(
        email=email, reason=suppression_pb2.SUPPRESSION_REASON_HARD_BOUNCE, detail="gone"
    )


def test_tail_prints_an_event_a_line_from_now_on() -> None:
    servicer = _Events()
    with serving(events=servicer) as address:
        result = espalier(
            *("events", "tail", "--type", "failed", "--campaign", "7", "--address", address)
        )
    assert result.stdout.splitlines() == [
        "notification failed  p1@x.example  mailbox full",
        "notification failed  p2@x.example  mailbox full",
    ]
    assert servicer.request.start == event_pb2.STREAM_START_NOW
    assert servicer.request.filter == event_pb2.EventFilter(
        campaign_id="7", types=[common_pb2.EVENT_TYPE_NOTIFICATION_FAILED]
    )


def test_tail_as_json_carries_the_cursors_to_go_on_from() -> None:
    servicer = _Events()
    with serving(events=servicer) as address:
        result = espalier("events", "tail", "--json", "--cursor", "9", "--address", address)
    assert [json.loads(line)["cursor"] for line in result.stdout.splitlines()] == ["1", "2"]
    assert servicer.request.cursor == "9"


def test_suppressions_are_listed_with_their_reasons() -> None:
    with serving(suppressions=_Suppressions()) as address:
        result = espalier("suppressions", "list", "--prefix", "ann", "--address", address)
    assert result.stdout.splitlines()[1].split() == ["ann@x.example", "hard_bounce", "gone"]
    assert "There are more" in result.stderr


def test_addresses_are_checked_added_and_removed() -> None:
    two = ("a@x.example", "b@x.example")
    with serving(suppressions=_Suppressions()) as address:
        check = espalier("suppressions", "check", *two, "--address", address)
        add = espalier("suppressions", "add", *two, "--detail", "abc", "--address", address)
        remove = espalier("suppressions", "remove", *two, "--json", "--address", address)
    lines = [line.split() for line in check.stdout.splitlines()[1:]]
    assert lines == [["a@x.example", "yes", "hard_bounce", "gone"], ["b@x.example", "no"]]
    assert add.stdout == "Suppressed: 2. Suppressed before: 3.\n"
    assert json.loads(remove.stdout) == {"removed_count": 2, "not_found_count": 0}
