"""Callbacks of version v2: what is read, what is refused, what is ours."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.callback import (
    BAD_REQUEST_TEXT,
    MAX_BODY_BYTES,
    MAX_FAULTS,
    SUPPRESSES,
    UNKNOWN_META,
    UNKNOWN_TYPE,
    Attributed,
    BadCallback,
    CallbackEvent,
    CallbackType,
    Unprocessed,
    attribute,
    callback_answer,
    occurred_at,
    parse_callback,
)
from domain.message_id import MessageIds, MessageKind, MessageRef
from domain.suppression import SuppressionReason

IDS = MessageIds(b"a key of thirty-two bytes, ascii!")
RECEIVED_AT = 1_800_000_000.0


def foreign(email: str, campaign: str, target: int) -> str:
    """A `meta` as the page shows it: another system's, with the address in it."""
    return f"{email}|1568798080|{campaign}|0|wzrk_default|-{target}|"


# The sample of the page, less its comments.
SUCCESS = [
    {
        "type": "delivered",
        "email": "user@example.com",
        "meta": foreign("user4@example.com", "1730799638|20241105", 17005910),
    }
]
FAILED = [
    {
        "type": "unsubscribed",
        "email": "user1@example.com",
        "meta": foreign("user1@example.com", "1730714617|20241104", 17005907),
        "description": "User Unsubscribed",
    },
    {
        "type": "hard_bounce",
        "email": "user3@example.com",
        "meta": foreign("user3@example.com", "1730799638|20241105", 17005910),
        "description": "Hard bounce detected",
    },
    {
        "type": "soft_bounce",
        "email": "user5@example.com",
        "meta": foreign("usert5@example.com", "1730714617|20241104", 17005905),
        "description": "Recipient Inbox Full",
    },
    {
        "type": "spam",
        "email": "user4@example.com",
        "meta": foreign("user4@example.com", "1730714617|20241104", 17005904),
        "description": "Marked as spam",
    },
]
SAMPLE = orjson.dumps({"version": "v2", "events": {"success": SUCCESS, "failed": FAILED}})


def event(**changes: Any) -> dict[str, Any]:
    """A good event of message 5 of campaign 7; None takes a key away."""
    good = {"type": "delivered", "email": "sara@example.com", "meta": IDS.campaign_message(7, 5)}
    return {key: value for key, value in (good | changes).items() if value is not ABSENT}


ABSENT = object()


def body(*events: object, **changes: object) -> bytes:
    return orjson.dumps({"version": "v2", "events": {"failed": list(events)}} | changes)


def parsed(*events: object) -> tuple[CallbackEvent, ...]:
    return parse_callback(body(*events))


def attributed(**changes: Any) -> Attributed | Unprocessed:
    (only,) = parsed(event(**changes))
    return attribute(only, IDS.read, received_at=RECEIVED_AT)


def test_the_sample_of_the_page_is_read_whole_and_in_order() -> None:
    events = parse_callback(SAMPLE)
    assert [(e.list_name, e.type, e.email, e.description) for e in events] == [
        ("success", "delivered", "user@example.com", None),
        ("failed", "unsubscribed", "user1@example.com", "User Unsubscribed"),
        ("failed", "hard_bounce", "user3@example.com", "Hard bounce detected"),
        ("failed", "soft_bounce", "user5@example.com", "Recipient Inbox Full"),
        ("failed", "spam", "user4@example.com", "Marked as spam"),
    ]


def test_the_sample_of_the_page_carries_foreign_message_ids_and_is_answered_as_unprocessed() -> (
    None
):
    events = parse_callback(SAMPLE)
    results = [attribute(e, IDS.read, received_at=RECEIVED_AT) for e in events]
    unprocessed = [result for result in results if isinstance(result, Unprocessed)]
    answer = callback_answer(len(events), unprocessed)
    assert (answer["TOTAL_EVENTS"], answer["PROCESSED_EVENTS"]) == (5, 0)
    assert answer["UNPROCESSED_EVENTS"] == [{**e, "reason": UNKNOWN_META} for e in SUCCESS + FAILED]


def test_four_events_of_ours_are_answered_as_the_page_shows() -> None:
    assert callback_answer(4, []) == {
        "TOTAL_EVENTS": 4,
        "PROCESSED_EVENTS": 4,
        "UNPROCESSED_EVENTS": [],
    }


@pytest.mark.parametrize(
    "lists",
    [{}, {"success": []}, {"failed": []}, {"success": None}, {"success": [], "failed": []}],
)
def test_lists_may_be_missing(lists: dict[str, object]) -> None:
    assert parse_callback(orjson.dumps({"version": "v2", "events": lists})) == ()


def test_any_list_is_read_and_the_type_decides_what_the_event_is() -> None:
    given_lists = {"deferred": [event(type="hard_bounce")], "success": [event(type="spam")]}
    events = parse_callback(orjson.dumps({"version": "v2", "events": given_lists}))
    assert [(e.list_name, e.type) for e in events] == [
        ("deferred", "hard_bounce"),
        ("success", "spam"),
    ]


def test_other_keys_are_ignored_and_kept() -> None:
    sent = event(ip="192.0.2.1", extra={"deep": [1, {"x": None}]})
    (only,) = parse_callback(body(sent, comment="hello"))
    assert only.raw == sent


def test_optional_keys_may_be_null() -> None:
    (only,) = parsed(event(description=None, timestamp=None))
    assert (only.description, only.timestamp) == (None, None)


@pytest.mark.parametrize("timestamp", [1425744000, 1425744000.25, 0, -1, 1e300])
def test_any_number_is_a_timestamp_by_form(timestamp: float) -> None:
    (only,) = parsed(event(timestamp=timestamp))
    assert only.timestamp == timestamp


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        (1425744000, 1425744000.0),
        (None, RECEIVED_AT),
        (0, RECEIVED_AT),
        (-5, RECEIVED_AT),
        # 2000-01-01T00:00:00Z, and the second before it.
        (946_684_800, 946_684_800.0),
        (946_684_799, RECEIVED_AT),
        # Milliseconds where seconds were asked for.
        (1425744000000, RECEIVED_AT),
        (RECEIVED_AT + 3600, RECEIVED_AT + 3600),
        (RECEIVED_AT + 90_000, RECEIVED_AT),
    ],
)
def test_a_time_that_cannot_be_true_gives_way_to_that_of_receipt(
    timestamp: float | None, expected: float
) -> None:
    assert occurred_at(timestamp, received_at=RECEIVED_AT) == expected


@pytest.mark.parametrize(
    ("bad_body", "paths"),
    [
        pytest.param(b"", ["body"], id="empty"),
        pytest.param(b'{"version": "v2", "events": {', ["body"], id="cut off"),
        pytest.param(b'{"version": "v2",}', ["body"], id="trailing comma"),
        pytest.param(b'{"version": "v2"} // v2', ["body"], id="comment"),
        pytest.param(b'{"version": "\xff"}', ["body"], id="invalid UTF-8"),
        pytest.param(b"[" * 10_000 + b"]" * 10_000, ["body"], id="10,000 nested arrays"),
        pytest.param(b'{"a":' * 10_000, ["body"], id="10,000 nested objects"),
        pytest.param(b" " * (MAX_BODY_BYTES + 1), ["body"], id="too long"),
        pytest.param(b"[]", ["body"], id="array"),
        pytest.param(b'"v2"', ["body"], id="string"),
        pytest.param(b"null", ["body"], id="null"),
        pytest.param(b"{}", ["version", "events"], id="nothing"),
        pytest.param(body(version="v1"), ["version"], id="other version"),
        pytest.param(body(version="V2"), ["version"], id="version in capitals"),
        pytest.param(body(version=2), ["version"], id="version as a number"),
        pytest.param(body(version=None), ["version"], id="version null"),
        pytest.param(body(events=None), ["events"], id="events null"),
        pytest.param(body(events=[event()]), ["events"], id="events as a list"),
        pytest.param(body(events={"failed": {}}), ["events.failed"], id="list as an object"),
        pytest.param(body(events={"failed": "no"}), ["events.failed"], id="list as a string"),
        pytest.param(body("x"), ["events.failed[0]"], id="event as a string"),
        pytest.param(body(event(), None), ["events.failed[1]"], id="event null"),
        pytest.param(body(event(type=ABSENT)), ["events.failed[0].type"], id="no type"),
        pytest.param(body(event(email=ABSENT)), ["events.failed[0].email"], id="no email"),
        pytest.param(body(event(), event(meta=ABSENT)), ["events.failed[1].meta"], id="no meta"),
        pytest.param(body(event(meta=None)), ["events.failed[0].meta"], id="meta null"),
        pytest.param(body(event(meta=7)), ["events.failed[0].meta"], id="meta as a number"),
        pytest.param(body(event(email=[])), ["events.failed[0].email"], id="email as a list"),
        pytest.param(
            body(event(description={})), ["events.failed[0].description"], id="description object"
        ),
        pytest.param(
            body(event(timestamp="1425744000")), ["events.failed[0].timestamp"], id="time as text"
        ),
        pytest.param(
            body(event(timestamp=True)), ["events.failed[0].timestamp"], id="time as a boolean"
        ),
        pytest.param(
            body({}, version="v3"),
            [
                "version",
                "events.failed[0].type",
                "events.failed[0].email",
                "events.failed[0].meta",
            ],
            id="all at once",
        ),
        pytest.param(body(*[event()] * 1001), ["events"], id="1,001 events"),
        pytest.param(
            body(events={"success": [event()] * 600, "failed": [event()] * 401}),
            ["events"],
            id="1,001 events in two lists",
        ),
    ],
)
def test_a_fault_of_form_refuses_the_whole_request_and_names_its_path(
    bad_body: bytes, paths: list[str]
) -> None:
    with pytest.raises(BadCallback) as caught:
        parse_callback(bad_body)
    assert list(caught.value.paths) == paths


def test_the_refusal_says_what_the_page_says_and_where() -> None:
    with pytest.raises(BadCallback) as caught:
        parse_callback(body(event(meta=ABSENT), event(timestamp="soon")))
    assert BAD_REQUEST_TEXT == "Bad request. Some mandatory parameter was missing."
    assert caught.value.answer() == {
        "error": "Bad request. Some mandatory parameter was missing.",
        "faults": [
            {"path": "events.failed[0].meta", "problem": "is missing"},
            {
                "path": "events.failed[1].timestamp",
                "problem": "must be a number of seconds since 1970",
            },
        ],
    }


def test_malformed_json_is_answered_with_line_and_column() -> None:
    with pytest.raises(BadCallback, match=r"line 2, column 12"):
        parse_callback(b'{\n"version": v2}')


def test_a_thousand_faults_are_not_listed_a_thousand_times() -> None:
    with pytest.raises(BadCallback) as caught:
        parse_callback(body(*[{}] * 1000))
    assert len(caught.value.faults) == MAX_FAULTS


def test_an_endless_list_name_does_not_make_an_endless_answer() -> None:
    with pytest.raises(BadCallback) as caught:
        parse_callback(orjson.dumps({"version": "v2", "events": {"x" * 10**6: 1}}))
    assert len(caught.value.paths[0]) < 100


def test_a_thousand_events_are_taken() -> None:
    assert len(parsed(*[event()] * 1000)) == 1000


@pytest.mark.parametrize("depth", [300, 1000])
def test_an_event_too_deep_to_be_answered_is_refused_and_not_a_server_error(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    nested = orjson.dumps(event(type="opened"))[:-1] + b',"extra":' + deep + b"}"
    with pytest.raises(BadCallback) as caught:
        parse_callback(b'{"version":"v2","events":{"failed":[' + nested + b"]}}")
    assert caught.value.paths == ("events.failed[0]",)


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused(anything: bytes) -> None:
    assert isinstance(outcome_of(anything), tuple | BadCallback)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.sampled_from(["delivered", "", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "email", "meta", "x"]), inner)
    ),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {
            "version": st.just("v2"),
            "events": st.dictionaries(st.text(max_size=3), json_values, max_size=3),
        }
    )
)
def test_json_of_any_shape_is_read_or_refused(anything: object) -> None:
    assert isinstance(outcome_of(orjson.dumps(anything)), tuple | BadCallback)


def outcome_of(anything: bytes) -> tuple[CallbackEvent, ...] | BadCallback:
    try:
        return parse_callback(anything)
    except BadCallback as error:
        return error


def test_a_nul_does_not_reach_a_text_column() -> None:
    (only,) = parsed(event(email="a\0b@example.com", description="\0"))
    assert (only.email, only.description) == ("a\ufffdb@example.com", "\ufffd")


def test_an_event_belongs_to_the_message_that_its_meta_names() -> None:
    result = attributed(type="hard_bounce", timestamp=1425744000)
    assert isinstance(result, Attributed)
    assert result.type is CallbackType.HARD_BOUNCE
    assert result.message == MessageRef(MessageKind.CAMPAIGN, 7, 5)
    assert result.occurred_at == 1425744000.0


def test_another_address_than_the_messages_is_recorded_and_not_refused() -> None:
    result = attributed(email="forwarded@elsewhere.example")
    assert isinstance(result, Attributed)
    assert result.event.email == "forwarded@elsewhere.example"


def test_the_callback_of_a_test_email_is_attributed_to_the_test() -> None:
    result = attributed(meta=IDS.test_message(3))
    assert isinstance(result, Attributed)
    assert result.message == MessageRef(MessageKind.TEST, 3, 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "opened"}, UNKNOWN_TYPE),
        ({"type": "Delivered"}, UNKNOWN_TYPE),
        ({"type": ""}, UNKNOWN_TYPE),
        ({"meta": ""}, UNKNOWN_META),
        ({"meta": IDS.campaign_message(7, 5)[:-1] + "x"}, UNKNOWN_META),
        ({"meta": MessageIds(b"somebody else's key").campaign_message(7, 5)}, UNKNOWN_META),
        ({"meta": IDS.preview_message(5)}, UNKNOWN_META),
    ],
)
def test_what_is_not_ours_is_unprocessed_with_the_reason(
    changes: dict[str, str], reason: str
) -> None:
    result = attributed(**changes)
    assert isinstance(result, Unprocessed)
    assert callback_answer(1, [result]) == {
        "TOTAL_EVENTS": 1,
        "PROCESSED_EVENTS": 0,
        "UNPROCESSED_EVENTS": [event(**changes) | {"reason": reason}],
    }


def test_the_reasons_name_what_would_have_been_right() -> None:
    assert UNKNOWN_TYPE == (
        "type is none of delivered, hard_bounce, soft_bounce, unsubscribed, spam, clicked"
    )
    assert "$$MessageID" in UNKNOWN_META


def digest(**changes: Any) -> int:
    result = attributed(**changes)
    assert isinstance(result, Attributed)
    return result.digest


def test_a_repeat_of_an_event_has_the_same_digest() -> None:
    again = digest(timestamp=1, description="x", retry="second", meta=IDS.campaign_message(7, 6))
    assert again == digest(timestamp=1, description="x")


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "clicked"},
        {"email": "other@example.com"},
        {"timestamp": 2},
        {"description": "another"},
        {"description": ""},
    ],
)
def test_another_event_of_the_same_message_has_another_digest(changes: dict[str, Any]) -> None:
    assert digest(**changes) != digest()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_digest_fits_a_64_bit_column(description: str) -> None:
    assert -(2**63) <= digest(description=description) < 2**63


def test_the_types_that_take_an_address_off_all_later_campaigns() -> None:
    assert SUPPRESSES == {
        CallbackType.DELIVERED: None,
        CallbackType.HARD_BOUNCE: SuppressionReason.HARD_BOUNCE,
        CallbackType.SOFT_BOUNCE: None,
        CallbackType.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBED,
        CallbackType.SPAM: SuppressionReason.COMPLAINT,
        CallbackType.CLICKED: None,
        CallbackType.OPENED: None,
        CallbackType.DEFERRED: None,
        CallbackType.DROPPED: None,
        CallbackType.RESUBSCRIBED: None,
        CallbackType.UNKNOWN: None,
    }
