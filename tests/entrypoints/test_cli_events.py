from __future__ import annotations

import json
from collections.abc import Iterator

import grpc
import pytest

from espalier.v1 import common_pb2, event_pb2, suppression_pb2
from tests.entrypoints.cli_server import espalier, serving, try_later


class _Events:
    """Streams two events in two responses, and ends, as a test must."""

    def __init__(self) -> None:
        self.request = event_pb2.StreamEventsRequest()
        self.list_request = event_pb2.ListEventsRequest()

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

    def ListEvents(
        self, request: event_pb2.ListEventsRequest, context: grpc.ServicerContext
    ) -> event_pb2.ListEventsResponse:
        self.list_request = event_pb2.ListEventsRequest.FromString(request.SerializeToString())
        event = event_pb2.Event(
            type=common_pb2.EVENT_TYPE_NOTIFICATION_DELIVERED, recipient=f"{request.page_token}@x"
        )
        return event_pb2.ListEventsResponse(
            events=[event], next_page_token="" if request.page_token else "more"
        )


class _Restarting:
    """Breaks off after one event, and goes on behind the cursor that it is given."""

    def __init__(self) -> None:
        self.cursors: list[str] = []

    def StreamEvents(
        self, request: event_pb2.StreamEventsRequest, context: grpc.ServicerContext
    ) -> Iterator[event_pb2.StreamEventsResponse]:
        self.cursors.append(request.cursor)
        number = len(self.cursors)
        event = event_pb2.Event(
            type=common_pb2.EVENT_TYPE_NOTIFICATION_SENT, recipient=f"p{number}@x.example"
        )
        yield event_pb2.StreamEventsResponse(events=[event], next_cursor=f"c-{number}")
        if number == 1:
            try_later(context, "The service is shutting down.", seconds=0.01)


class _Suppressions:
    def ListSuppressions(
        self, request: suppression_pb2.ListSuppressionsRequest, context: grpc.ServicerContext
    ) -> suppression_pb2.ListSuppressionsResponse:
        self.list_request = request
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


def test_tail_goes_on_behind_the_last_cursor_once_the_service_is_back() -> None:
    servicer = _Restarting()
    with serving(events=servicer) as address:
        result = espalier("events", "tail", "--address", address)
    assert result.exit_code == 0, result.output
    assert servicer.cursors == ["", "c-1"]
    assert result.stdout.splitlines() == [
        "notification sent  p1@x.example",
        "notification sent  p2@x.example",
    ]
    assert "Trying again" in result.stderr


def test_past_events_are_listed_newest_first_over_all_pages() -> None:
    servicer = _Events()
    options = ("--message", "m-1", "--since", "2031-05-06", "--until", "2031-05-07", "--no-test")
    with serving(events=servicer) as address:
        result = espalier("events", "list", *options, "--limit", "0", "--address", address)
    assert result.stdout.splitlines() == [
        "notification delivered  @x",
        "notification delivered  more@x",
    ]
    request = servicer.list_request
    assert (request.page_size, request.newest_first) == (1_000, True)
    assert (request.filter.message_id, request.filter.test) == ("m-1", False)
    assert request.filter.HasField("test")
    assert request.filter.start_time.ToJsonString() == "2031-05-06T00:00:00Z"
    assert request.filter.end_time.ToJsonString() == "2031-05-07T00:00:00Z"


def test_a_list_of_events_asks_for_no_more_than_its_limit() -> None:
    servicer = _Events()
    with serving(events=servicer) as address:
        result = espalier(
            *("events", "list", "--limit", "1", "--oldest-first", "--json", "--address", address)
        )
    assert [json.loads(line)["recipient"] for line in result.stdout.splitlines()] == ["@x"]
    assert (servicer.list_request.page_size, servicer.list_request.newest_first) == (1, False)
    assert not servicer.list_request.filter.HasField("test")
    assert "There are more" in result.stderr


class _NoEvents:
    def ListEvents(
        self, request: event_pb2.ListEventsRequest, context: grpc.ServicerContext
    ) -> event_pb2.ListEventsResponse:
        return event_pb2.ListEventsResponse()


def test_a_list_without_events_says_so_beside_what_a_pipe_takes() -> None:
    with serving(events=_NoEvents()) as address:
        words = espalier("events", "list", "--address", address)
        lines = espalier("events", "list", "--json", "--address", address)
    assert (words.stdout, words.stderr) == ("", "There is no such event.\n")
    assert (lines.stdout, lines.stderr) == ("", "")


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("add", "a@x.example"), {"added_count": 1, "already_suppressed_count": 0}),
        (("remove", "a@x.example"), {"removed_count": 1, "not_found_count": 0}),
    ],
)
def test_changed_suppressions_are_counted_as_json_too(
    arguments: tuple[str, ...], answer: object
) -> None:
    with serving(suppressions=_Suppressions()) as address:
        result = espalier("suppressions", *arguments, "--json", "--address", address)
    assert json.loads(result.stdout) == answer


def test_suppressions_as_json_have_the_names_of_the_api() -> None:
    with serving(suppressions=_Suppressions()) as address:
        result = espalier(
            *("suppressions", "list", "--prefix", "ann", "--limit", "1", "--json"),
            *("--address", address),
        )
    (found,) = json.loads(result.stdout)["suppressions"]
    assert (found["email"], found["reason"]) == ("ann@x.example", "SUPPRESSION_REASON_HARD_BOUNCE")


def test_checked_addresses_as_json_say_of_each_whether_it_is_suppressed() -> None:
    with serving(suppressions=_Suppressions()) as address:
        result = espalier("suppressions", "check", "a@x", "b@x", "--json", "--address", address)
    found = json.loads(result.stdout)["results"]
    assert [(one["email"], one["suppressed"]) for one in found] == [("a@x", True), ("b@x", False)]


def test_suppressions_are_listed_with_their_reasons() -> None:
    servicer = _Suppressions()
    options = ("--prefix", "ann", "--reason", "complaint", "--limit", "1")
    with serving(suppressions=servicer) as address:
        result = espalier("suppressions", "list", *options, "--address", address)
    assert servicer.list_request.reason == suppression_pb2.SUPPRESSION_REASON_COMPLAINT
    assert result.stdout.splitlines()[1].split() == ["ann@x.example", "hard_bounce", "gone"]
    assert "There are more" in result.stderr


def test_addresses_are_checked_added_and_removed() -> None:
    two = ("a@x.example", "b@x.example")
    with serving(suppressions=_Suppressions()) as address:
        check = espalier("suppressions", "check", *two, "--address", address)
        add = espalier("suppressions", "add", *two, "--detail", "abc", "--address", address)
        remove = espalier("suppressions", "remove", *two, "--address", address)
    lines = [line.split() for line in check.stdout.splitlines()[1:]]
    assert lines == [["a@x.example", "yes", "hard_bounce", "gone"], ["b@x.example", "no"]]
    assert add.stdout == "Suppressed: 2. Suppressed before: 3.\n"
    assert remove.stdout == "Taken off the list: 2. Not on it: 0.\n"
