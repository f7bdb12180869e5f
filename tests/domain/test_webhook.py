"""ESPs' own webhooks, read by a mapping."""

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.callback import MAX_BODY_BYTES, BadCallback, CallbackType
from domain.webhook import Webhook, WebhookReading, expressions_of, is_version_2
from domain.webhook_mapping import TimestampUnit, TypeRule, WebhookFormat, WebhookMapping
from domain.webhook_request import WebhookRequest
from domain.webhook_values import fits, text_of, time_of

C = CallbackType
EXPRESSIONS = [field for field in fields(WebhookMapping) if field.type in (str, "str")]
F = WebhookFormat
TYPES = (
    TypeRule(pattern="bounce.*.soft", type=C.SOFT_BOUNCE),
    TypeRule(pattern="bounce*", type=C.HARD_BOUNCE),
    TypeRule(pattern="delivered", type=C.DELIVERED),
    TypeRule(pattern="click", type=C.CLICKED),
)
SIMPLE = WebhookMapping(
    events="body", type="event.event", types=TYPES, email="event.email", meta="event.mid"
)


def request(
    body: Any = b"",
    *,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    method: str = "POST",
) -> WebhookRequest:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return WebhookRequest(method=method, url="", headers=headers or {}, query=query or {}, body=raw)


def mapping(**changes: Any) -> WebhookMapping:
    given: dict[str, Any] = {
        "type": "event.event",
        "types": TYPES,
        "email": "event.email",
        "meta": "event.mid",
    }
    return WebhookMapping(**{**given, **changes})


def read(body: Any = b"", /, **changes: Any) -> WebhookReading:
    given = {key: changes.pop(key) for key in ("headers", "query", "method") if key in changes}
    return Webhook(mapping(**changes)).read(request(body, **given))


def outcome(reading: Callable[[], WebhookReading]) -> WebhookReading | BadCallback:
    try:
        return reading()
    except BadCallback as refused:
        return refused


def told(reading: WebhookReading) -> list[tuple[str, str, str]]:
    return [(event.type.value, event.email, event.meta) for event in reading.events]


ONE = {"event": "delivered", "email": "a@x.example", "mid": "m1"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([ONE, {**ONE, "mid": "m2"}], ["m1", "m2"]),
        (ONE, ["m1"]),
        ([], []),
        (b"null", []),
        (gzip.compress(orjson.dumps(ONE), mtime=0), ["m1"]),
        (["a text", 7, None, [], ONE], ["", "", "", "", "m1"]),
    ],
)
def test_the_events_of_a_body_are_read_in_their_order(body: Any, expected: list[str]) -> None:
    assert [event.meta for event in read(body).events] == expected


@pytest.mark.parametrize(
    ("said", "type"),
    [
        ("delivered", C.DELIVERED),
        ("bounce.x.soft", C.SOFT_BOUNCE),
        ("bounce.x.hard", C.HARD_BOUNCE),
        ("Delivered", C.UNKNOWN),
        ("", C.UNKNOWN),
        (None, C.UNKNOWN),
        ({"a": 1}, C.UNKNOWN),
    ],
)
def test_the_first_rule_that_fits_gives_the_type_and_no_rule_is_unknown(
    said: Any, type: CallbackType
) -> None:
    (event,) = read({**ONE, "event": said}).events
    assert event.type is type


def test_json_lines_are_a_list() -> None:
    lines = b"\n".join(orjson.dumps({**ONE, "mid": str(n)}) for n in range(3)) + b"\r\n\n"
    reading = read(lines, format=F.JSON_LINES)
    assert [event.meta for event in reading.events] == ["0", "1", "2"]


def test_a_form_is_read_and_of_a_repeated_field_the_first_counts() -> None:
    form = b"event=delivered&email=a%40x.example&mid=m1&mid=m2"
    reading = read(form, format=F.FORM, events="form")
    assert told(reading) == [("delivered", "a@x.example", "m1")]


def test_json_in_a_field_of_a_form_is_read() -> None:
    form = b"mandrill_events=%5B%7B%22event%22%3A%22click%22%2C%22mid%22%3A%22m1%22%7D%5D"
    reading = read(form, format=F.FORM, events="parse_json(form.mandrill_events)")
    assert told(reading) == [("clicked", "", "m1")]


def test_a_multipart_form_is_read() -> None:
    parts = [("event", "delivered"), ("email", "a@x.example"), ("mid", "line 1\r\nline 2")]
    body = "".join(
        f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in parts
    )
    headers = {"content-type": 'multipart/form-data; boundary="XX"'}
    reading = read(f"{body}--XX--\r\n".encode(), headers=headers, format=F.FORM, events="form")
    assert told(reading) == [("delivered", "a@x.example", "line 1\r\nline 2")]


def test_a_query_is_read() -> None:
    reading = read(query=ONE, method="GET", format=F.QUERY, events="query")
    assert told(reading) == [("delivered", "a@x.example", "m1")]


def test_an_event_for_several_people_is_one_event_for_each_of_them() -> None:
    body = {"event": "bounce", "to": [{"at": "a@x.example"}, {"at": "b@x.example"}], "mid": "m"}
    reading = read(body, fan_out="event.to", email="recipient.at")
    assert [event.email for event in reading.events] == ["a@x.example", "b@x.example"]
    assert len({event.digest for event in reading.events}) == 2


def test_without_anybody_to_fan_out_to_there_is_still_the_event() -> None:
    reading = read({**ONE, "to": []}, fan_out="event.to")
    assert told(reading) == [("delivered", "a@x.example", "m1")]


def test_what_is_to_be_skipped_is_passed_over_and_counted() -> None:
    reading = read([ONE, {**ONE, "test": True}], skip="event.test")
    assert (len(reading.events), reading.skipped) == (1, 1)


def test_a_whole_request_can_be_skipped() -> None:
    headers = {"x-type": "ping"}
    reading = read(ONE, headers=headers, skip_request="headers.\"x-type\" == 'ping'")
    assert (reading.events, reading.request_skipped) == ((), True)


def test_the_link_of_a_click_is_what_it_describes() -> None:
    body = [{**ONE, "event": e, "url": "https://x.example/", "why": "w"} for e in ("click", "?")]
    reading = read(body, link="event.url", description="event.why")
    assert [event.description for event in reading.events] == ["https://x.example/", "w"]


def digests(body: Any, **changes: Any) -> list[int]:
    return [event.digest for event in read(body, **changes).events]


def test_events_that_say_the_same_are_one_and_others_are_not() -> None:
    first, second, third = digests([ONE, ONE, {**ONE, "at": 1}])
    assert first == second != third


def test_a_dedupe_key_says_which_events_are_one() -> None:
    same = [{**ONE, "id": 7, "at": 1}, {**ONE, "id": 7, "at": 2}, {**ONE, "id": 8}]
    first, second, third = digests(same, dedupe="[event.id, event.mid]")
    assert first == second != third
    assert -(2**63) <= first < 2**63


def test_a_corrected_type_is_another_event() -> None:
    later = (TypeRule(pattern="odd", type=C.OPENED),)
    assert digests({**ONE, "event": "odd"}) != digests({**ONE, "event": "odd"}, types=later)


@pytest.mark.parametrize(
    ("value", "unit", "seconds"),
    [
        (1750000000, TimestampUnit.SECONDS, 1750000000.0),
        ("1750000000.25", TimestampUnit.SECONDS, 1750000000.25),
        (1750000000250, TimestampUnit.MILLISECONDS, 1750000000.25),
        ("2025-06-15T15:06:40Z", TimestampUnit.ISO, 1750000000.0),
        ("2025-06-15T15:06:40.2500000Z", TimestampUnit.ISO, 1750000000.25),
        ("2025-06-15 15:06:40", TimestampUnit.ISO, 1750000000.0),
        ("2025-06-15T17:06:40+02:00", TimestampUnit.ISO, 1750000000.0),
        ("soon", TimestampUnit.ISO, None),
        ("soon", TimestampUnit.SECONDS, None),
        (True, TimestampUnit.SECONDS, None),
        (None, TimestampUnit.MILLISECONDS, None),
        ([1], TimestampUnit.SECONDS, None),
        (10**400, TimestampUnit.SECONDS, None),
        ("9999-12-31T23:59:59-23:59", TimestampUnit.ISO, 253402387139.0),
        (7, TimestampUnit.ISO, None),
    ],
)
def test_times_are_read_in_their_unit(
    value: Any, unit: TimestampUnit, seconds: float | None
) -> None:
    assert time_of(value, unit) == seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (70650219165027410, "70650219165027410"),
        (1.5, "1.5"),
        (True, "true"),
        (None, ""),
        ({"a": 1}, ""),
        ("a\0b", "a\ufffdb"),
        ("\ud800", "?"),
        (2**70, str(2**70)),
        ("x" * 600, "x" * 512),
    ],
)
def test_what_is_found_becomes_text_that_can_be_stored(value: Any, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "", True),
        ("", "", True),
        ("", "a", False),
        ("a*c", "abbc", True),
        ("a*c", "abcb", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("*.soft", "a.b.soft", True),
        ("[a]", "[a]", True),
        ("[a]", "a", False),
        ("*a*a*a*a*a*a*a*b", "a" * 500, False),
    ],
)
def test_patterns_fit_as_in_file_names(pattern: str, text: str, expected: bool) -> None:
    assert fits(pattern, text) is expected


@pytest.mark.parametrize(
    ("body", "format", "problem"),
    [
        (b"", F.JSON, "not JSON"),
        (b"{", F.JSON, "line 1"),
        (b'{}\n{"a"', F.JSON_LINES, "line 2 of them"),
        (b"\x1f\x8bno gzip", F.JSON, "gzip"),
        (gzip.compress(b"{}", mtime=0)[:-9], F.JSON, "breaks off"),
        (gzip.compress(b" " * MAX_BODY_BYTES + b"[]", mtime=0), F.JSON, "once it is unpacked"),
        (b"a=1&" * 1100, F.FORM, "fields"),
        (b"{}\n" * 10_001, F.JSON_LINES, "lines"),
        (b"[" + b"1," * 10_000 + b"1]", F.JSON, "more than 10000 events"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(
    body: bytes, format: WebhookFormat, problem: str
) -> None:
    with pytest.raises(BadCallback, match=problem):
        read(body, format=format)


@pytest.mark.parametrize(
    "changes",
    [
        {"events": "body" + "|[@,@][]" * 40},
        {"events": "body[]", "meta": "to_string(body)"},
        {"fan_out": "body[]", "dedupe": "body"},
        {"fan_out": "[body, body, body][][]"},
        {"skip": "length(to_string(body)) == `0`"},
        {"events": "body[].[body][]"},
    ],
)
def test_a_mapping_that_makes_much_of_little_ends(changes: dict[str, str]) -> None:
    body = [{**ONE, "pad": "x" * 1000}] * 1500
    read_or_refused = outcome(lambda: read(body, **changes))
    if isinstance(read_or_refused, BadCallback):
        assert re.search("steps|events", str(read_or_refused))
    else:
        assert len(read_or_refused.events) <= 10_000


def test_an_expression_that_is_none_finds_nothing_and_fails_nothing() -> None:
    assert told(read(ONE, meta="(((")) == [("delivered", "a@x.example", "")]


def test_the_own_format_is_told_from_others() -> None:
    assert is_version_2(b'{"version": "v2", "events": {}}')
    assert not is_version_2(b'{"version": "v2", "events": []}')
    assert not is_version_2(b'{"version": "v1", "events": {"a": "v2"}}')
    assert not is_version_2(b'"version" "v2"')


def test_only_expressions_that_are_set_are_named() -> None:
    named = dict(expressions_of(SIMPLE))
    assert named == {
        "events": "body",
        "type": "event.event",
        "email": "event.email",
        "meta": "event.mid",
    }


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["event", "email", "mid", "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)
_EXPRESSION = st.sampled_from(
    [
        *("", "body", "event", "recipient", "event.event", "body.a", "[body, event]", "*", "@"),
        *("form.a", "parse_json(event)", "headers", "`1`", "'\ud800'", "text(@)", "(", "query.a"),
    ]
)


@given(
    body=_JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60),
    format=st.sampled_from(WebhookFormat),
    expressions=st.fixed_dictionaries({field.name: _EXPRESSION for field in EXPRESSIONS}),
    unit=st.sampled_from(TimestampUnit),
)
@settings(max_examples=300)
def test_no_mapping_and_no_body_do_anything_but_read_or_refuse(
    body: bytes, format: WebhookFormat, expressions: dict[str, Any], unit: TimestampUnit
) -> None:
    webhook = Webhook(
        WebhookMapping(format=format, timestamp_unit=unit, types=TYPES, **expressions)
    )
    reading = outcome(lambda: webhook.read(request(body, query={"a": "1"})))
    if isinstance(reading, BadCallback):
        assert reading.faults
    else:
        for event in reading.events:
            kept = orjson.loads(orjson.dumps(event.plain().raw))
            assert kept["type"] == event.esp_type
