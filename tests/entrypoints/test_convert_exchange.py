"""Requests and answers as the API shows them."""

from dataclasses import replace

import pytest

from domain.http import HttpRequest
from domain.masking import curl_command
from entrypoints.convert.exchange import to_exchange, to_http_request, to_tried_email
from espalier.v1 import common_pb2
from services.send_test_email import TriedEmail
from tests.domain.provider_samples import BASIC, GET, header, post

SECRET = "k3y-of-the-esp"
CONFIG = post(basic=BASIC, headers=(header("X-Key", SECRET, secret=True),))
REQUEST = HttpRequest(
    method="POST",
    url="https://api.example.com/v1/send",
    headers=(("X-Key", SECRET), ("Content-Type", "application/json"), ("Authorization", "Basic x")),
    body='{"to": "ü"}'.encode(),
)
TRIED = TriedEmail(
    config=CONFIG,
    request=REQUEST,
    message_id="mid",
    elapsed_seconds=1.5,
    status=202,
    headers=(("Server", "esp"), ("Set-Cookie", "***")),
    body="taken",
    truncated=True,
    accepted=True,
)


def test_a_request_is_shown_masked_with_its_command() -> None:
    shown = to_http_request(REQUEST, CONFIG)
    assert (shown.method, shown.url, shown.body) == ("POST", REQUEST.url, '{"to": "ü"}')
    assert [(h.name, h.value) for h in shown.headers] == [
        ("X-Key", "***"),
        ("Content-Type", "application/json"),
        ("Authorization", "***"),
    ]
    assert "--header 'X-Key: ***'" in shown.curl
    assert SECRET not in str(shown)


def test_a_get_has_no_body() -> None:
    request = HttpRequest(method="GET", url="https://api.example.com/?to=a%40b")
    shown = to_http_request(request, GET)
    expected = common_pb2.HttpRequest(method="GET", url=request.url, curl=curl_command(request))
    assert shown == expected


def test_an_exchange_shows_both_sides() -> None:
    shown = to_exchange(TRIED)
    assert shown.request == to_http_request(REQUEST, CONFIG)
    assert [(h.name, h.value) for h in shown.response_headers] == list(TRIED.headers)
    assert (shown.status_code, shown.response_body) == (202, "taken")
    assert (shown.response_body_truncated, shown.transport_error) == (True, "")
    assert (shown.elapsed.seconds, shown.elapsed.nanos) == (1, 500_000_000)


def test_without_an_answer_there_is_the_reason() -> None:
    lost = replace(
        TRIED, status=None, headers=(), body="", accepted=False, transport_error="timed out"
    )
    shown = to_tried_email(lost)
    assert (shown.exchange.status_code, shown.exchange.transport_error) == (0, "timed out")
    assert (shown.accepted, shown.message_id) == (False, "mid")


@pytest.mark.parametrize("accepted", [True, False])
def test_what_was_read_out_of_the_answer_is_shown_and_not_its_status(accepted: bool) -> None:
    assert to_tried_email(replace(TRIED, status=200, accepted=accepted)).accepted is accepted
