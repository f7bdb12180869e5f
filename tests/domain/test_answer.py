"""What ESPs' answers come to, after the shapes that the ESPs document."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.answer import Verdict, read_answer
from domain.answer_mapping import (
    Alignment,
    AnswerItems,
    AnswerMapping,
    AnswerOutcome,
    AnswerRule,
    WaitHint,
    WaitUnit,
)
from domain.http import HttpResponse
from domain.retry import Outcome, classify
from tests.domain.answer_samples import (
    ALL,
    BREVO,
    MAILGUN,
    MAILJET,
    MAILTRAP,
    MANDRILL,
    POSTAL,
    POSTMARK,
    SENDGRID,
    SES_BULK,
    SPARKPOST,
    UNISENDER,
)

NOW = 1_640_032_400.0  # Mon, 20 Dec 2021 20:33:20 UTC
THREE = [(7, "Ann@example.com"), (8, "bob@example.com"), (9, "eve@example.com")]
ACCEPTED, RETRY, REFUSED = Outcome.ACCEPTED, Outcome.RETRY, Outcome.REFUSED
PARTLY, IN_DOUBT = Outcome.PARTLY, Outcome.IN_DOUBT


def read(
    mapping: AnswerMapping, status: int, body: Any = None, people: int = 3, **headers: str
) -> Verdict:
    """`body` is sent as JSON, bytes as they are."""
    sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given_headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    answer = HttpResponse(status=status, headers=given_headers, body=sent)
    return read_answer(mapping, answer, THREE[:people], now=NOW)


def outcomes(verdict: Verdict) -> dict[int, Outcome]:
    return {part.ordinal: part.outcome for part in verdict.parts}


def reasons(verdict: Verdict) -> list[str]:
    return [part.reason for part in verdict.parts if part.outcome is not ACCEPTED]


# --- what each ESP says -----------------------------------------------------------------------


def postmark(code: int, message: str, message_id: str = "") -> dict[str, Any]:
    return {"ErrorCode": code, "Message": message, "MessageID": message_id}


def test_postmark_answers_200_in_the_order_of_the_request_also_for_what_it_refuses() -> None:
    body = [postmark(0, "OK", "a-1"), postmark(406, "inactive"), postmark(0, "OK", "c-3")]
    verdict = read(POSTMARK, 200, body)
    assert verdict.outcome is PARTLY
    assert outcomes(verdict) == {7: ACCEPTED, 8: REFUSED, 9: ACCEPTED}
    assert reasons(verdict) == ["inactive"]
    assert verdict.esp_ids == {7: "a-1", 9: "c-3"}


def test_postmark_answers_one_message_with_its_part_alone() -> None:
    assert read(POSTMARK, 200, postmark(0, "OK", "a-1"), 1).esp_ids == {7: "a-1"}
    assert outcomes(read(POSTMARK, 200, postmark(300, "invalid"), 1)) == {7: REFUSED}
    assert read(POSTMARK, 422, postmark(300, "invalid"), 1).outcome is REFUSED


def test_what_postmark_took_whole_has_no_parts() -> None:
    verdict = read(POSTMARK, 200, [postmark(0, "OK", f"id-{i}") for i in range(3)])
    assert (verdict.outcome, verdict.parts) == (ACCEPTED, ())
    assert verdict.esp_ids == {7: "id-0", 8: "id-1", 9: "id-2"}


MAILJET_PARTS = {
    "Messages": [
        {"Status": "success", "To": [{"Email": "ann@example.com", "MessageID": 70650219165027410}]},
        {"Status": "error", "Errors": [{"ErrorCode": "send-0003", "ErrorMessage": "no body"}]},
        {"Status": "success", "To": [{"Email": "eve@example.com", "MessageID": 70650219165027411}]},
    ]
}


@pytest.mark.parametrize("status", [200, 400])
def test_mailjet_refuses_some_within_200_and_within_400(status: int) -> None:
    verdict = read(MAILJET, status, MAILJET_PARTS)
    assert outcomes(verdict) == {7: ACCEPTED, 8: REFUSED, 9: ACCEPTED}
    assert reasons(verdict) == ["no body"]
    # Both are beyond 2**53, where neighbours would become one.
    assert verdict.esp_ids == {7: "70650219165027410", 9: "70650219165027411"}


def test_a_400_of_mailjet_without_parts_means_what_400_means() -> None:
    error = {"ErrorIdentifier": "x", "StatusCode": 400, "ErrorMessage": "malformed JSON"}
    assert read(MAILJET, 400, error).outcome is Outcome.HALVE
    assert read(MAILJET, 400, error, 1).outcome is REFUSED
    assert read(MAILJET, 429, b"Too Many Requests").outcome is RETRY


def test_what_a_400_does_not_name_was_not_taken_and_may_go_again() -> None:
    body = {"Messages": MAILJET_PARTS["Messages"][:2]}
    assert outcomes(read(MAILJET, 400, body)) == {7: ACCEPTED, 8: REFUSED, 9: RETRY}
    assert outcomes(read(MAILJET, 200, body)) == {7: ACCEPTED, 8: REFUSED, 9: ACCEPTED}


def test_mandrill_lists_its_outcomes_by_address_in_any_order() -> None:
    body = [
        {"email": "eve@example.com", "status": "invalid"},
        {"email": "copy@example.com", "status": "sent", "_id": "cc"},
        {"email": "ann@EXAMPLE.com", "status": "queued", "_id": "a", "reject_reason": None},
        {"email": "bob@example.com", "status": "rejected", "reject_reason": "hard-bounce"},
    ]
    verdict = read(MANDRILL, 200, body)
    assert outcomes(verdict) == {7: ACCEPTED, 8: REFUSED, 9: REFUSED}
    assert reasons(verdict) == ["hard-bounce", "invalid"]
    assert verdict.esp_ids == {7: "a"}


def test_a_500_of_mandrill_for_a_wrong_key_pauses_the_campaign_and_others_are_retried() -> None:
    wrong = {"status": "error", "code": -1, "name": "Invalid_Key", "message": "Invalid API key"}
    assert read(MANDRILL, 500, wrong).outcome is Outcome.PAUSE_CAMPAIGN
    assert read(MANDRILL, 500, {"status": "error", "name": "GeneralError"}).outcome is RETRY


def test_postal_answers_200_always_and_keys_its_parts_by_address() -> None:
    messages = {"Ann@example.com": {"id": 1503, "token": "t"}, "bob@example.com": {"id": 1504}}
    verdict = read(POSTAL, 200, {"status": "success", "data": {"messages": messages}})
    assert (verdict.outcome, verdict.esp_ids) == (ACCEPTED, {7: "1503", 8: "1504"})
    error = {"status": "error", "data": {"code": "UnauthenticatedFromAddress"}}
    assert read(POSTAL, 200, error).outcome is REFUSED


def test_unisender_names_only_those_that_failed() -> None:
    failed = {"bob@example.com": "unsubscribed", "eve@example.com": "temporary_unavailable"}
    body = {"status": "success", "job_id": "1ZymBc", "emails": ["ann@example.com"]}
    verdict = read(UNISENDER, 200, {**body, "failed_emails": failed})
    assert outcomes(verdict) == {7: ACCEPTED, 8: REFUSED, 9: RETRY}
    assert reasons(verdict) == ["unsubscribed", "temporary_unavailable"]
    assert verdict.esp_ids == {7: "1ZymBc"}
    whole = read(UNISENDER, 200, body)
    assert (whole.outcome, whole.esp_ids) == (ACCEPTED, dict.fromkeys((7, 8, 9), "1ZymBc"))


@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        ("SUCCESS", ACCEPTED),
        ("ACCOUNT_THROTTLED", RETRY),
        ("TRANSIENT_FAILURE", RETRY),
        ("MESSAGE_REJECTED", REFUSED),
        ("INVALID_PARAMETER", REFUSED),
        ("TEMPLATE_NOT_FOUND", REFUSED),
    ],
)
def test_amazon_ses_gives_each_entry_a_status(status: str, becomes: Outcome) -> None:
    results = [{"Status": "SUCCESS", "MessageId": "m-1"}, {"Status": "FAILED"}, {"Status": status}]
    verdict = read(SES_BULK, 200, {"BulkEmailEntryResults": results})
    assert outcomes(verdict) == {7: ACCEPTED, 8: REFUSED, 9: becomes}


def test_amazon_ses_throttles_with_400_and_a_header() -> None:
    throttled = read(SES_BULK, 400, {}, x_amzn_ErrorType="ThrottlingException:http://x")
    assert throttled.outcome is RETRY
    assert read(SES_BULK, 400, {}, x_amzn_ErrorType="BadRequestException").outcome is Outcome.HALVE
    assert read(SES_BULK, 400, {}).outcome is Outcome.HALVE


def test_sendgrid_says_its_id_in_a_header_of_an_empty_answer() -> None:
    verdict = read(SENDGRID, 202, X_Message_Id="14c5d75ce93")
    assert (verdict.outcome, verdict.esp_ids[8]) == (ACCEPTED, "14c5d75ce93")
    slow = read(SENDGRID, 429, {"errors": []}, X_RateLimit_Reset=str(int(NOW) + 90))
    assert (slow.outcome, slow.wait_seconds) == (RETRY, 90.0)


def test_mailgun_writes_into_a_sentence_when_to_come_again() -> None:
    message = "domain recipient limit exceeded, try again after Mon, 20 Dec 2021 20:33:31 UTC"
    assert read(MAILGUN, 429, {"message": message}).wait_seconds == 11.0
    taken = read(MAILGUN, 200, {"id": "<2024@example.com>", "message": "Queued. Thank you."})
    assert taken.esp_ids == dict.fromkeys((7, 8, 9), "2024@example.com")


def test_a_wrong_url_of_mailgun_is_told_by_a_rule_on_the_text() -> None:
    assert read(MAILGUN, 200, b"Mailgun Magnificent API").outcome is IN_DOUBT
    when = "contains(text, 'Magnificent API')"
    rule = AnswerRule(statuses=(200,), when=when, outcome=AnswerOutcome.PAUSE_CAMPAIGN)
    verdict = read(AnswerMapping(rules=(rule,)), 200, b"Mailgun Magnificent API")
    assert verdict.outcome is Outcome.PAUSE_CAMPAIGN


def test_mailtrap_hides_failures_of_single_messages_in_200() -> None:
    parts = [
        {"success": True, "message_ids": ["m-1", "m-copy"]},
        {"success": False, "errors": ["'to' is invalid", "'from' is invalid"]},
        {"success": True, "message_ids": ["m-3"]},
    ]
    verdict = read(MAILTRAP, 200, {"success": True, "responses": parts})
    assert reasons(verdict) == ["'to' is invalid; 'from' is invalid"]
    assert verdict.esp_ids == {7: "m-1", 9: "m-3"}


def test_brevo_lists_bare_ids_and_sparkpost_has_a_status_of_its_own_for_too_much() -> None:
    ids = read(BREVO, 201, {"messageIds": ["<a@b>", "<c@d>", "<e@f>"]}).esp_ids
    assert ids == {7: "<a@b>", 8: "<c@d>", 9: "<e@f>"}
    assert read(SPARKPOST, 420, {"errors": []}).outcome is RETRY
    assert read(SPARKPOST, 200, {"results": {"id": "11"}}).esp_ids[7] == "11"


# --- what is common to all --------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 202, 299, 301, 400, 401, 409, 413, 422, 429, 500, 503])
@pytest.mark.parametrize("body", [b"", b"{}", b"\x00\xff{]", b'{"status":"error"}'])
def test_without_a_mapping_the_status_decides_alone(status: int, body: bytes) -> None:
    verdict = read(AnswerMapping(), status, body)
    assert verdict == Verdict(outcome=classify(status, messages=3))


GARBAGE = [b"\x00\xff<html>{]", b"<html>Bad gateway</html>", b'[{"ErrorCode": 0, "Mess', b"OK"]


@pytest.mark.parametrize("body", GARBAGE)
@pytest.mark.parametrize("mapping", [POSTMARK, MAILJET, MANDRILL, POSTAL, UNISENDER, MAILGUN])
def test_garbage_in_a_2xx_is_neither_a_refusal_nor_an_acceptance(
    mapping: AnswerMapping, body: bytes
) -> None:
    assert read(mapping, 200, body) == Verdict(outcome=IN_DOUBT)


@pytest.mark.parametrize("body", GARBAGE)
def test_garbage_in_a_refusal_changes_nothing_about_it(body: bytes) -> None:
    assert read(MAILJET, 400, body).outcome is Outcome.HALVE
    assert read(POSTMARK, 503, body).outcome is RETRY
    assert read(POSTAL, 401, body).outcome is Outcome.PAUSE_CAMPAIGN


@pytest.mark.parametrize("body", GARBAGE)
def test_garbage_in_a_2xx_of_which_nothing_is_asked_is_accepted(body: bytes) -> None:
    assert read(SENDGRID, 202, body, X_Message_Id="x").outcome is ACCEPTED
    only_status = AnswerMapping(success="status == `202`")
    assert read(only_status, 202, body).outcome is ACCEPTED


@pytest.mark.parametrize(
    ("mapping", "becomes"),
    [
        # Nothing is named, and who is not named was taken.
        (MAILJET, ACCEPTED),
        # Only who is named was taken, and nobody can be named here.
        (POSTMARK, IN_DOUBT),
        (SES_BULK, IN_DOUBT),
        # Neither is success said, nor a failure.
        (POSTAL, IN_DOUBT),
        (MAILGUN, IN_DOUBT),
    ],
)
def test_an_empty_2xx_says_no_more_than_it_must(mapping: AnswerMapping, becomes: Outcome) -> None:
    assert read(mapping, 200, b"  ").outcome is becomes
    assert read(mapping, 200).outcome is becomes


def test_a_2xx_that_can_be_read_and_is_no_success_is_refused() -> None:
    bodies: list[Any] = [{}, [], None, {"status": "parameter-error"}, "success"]
    for body in bodies:
        sent = b"null" if body is None else json.dumps(body).encode()
        assert read(POSTAL, 200, sent).outcome is REFUSED


def test_the_first_rule_that_fits_comes_before_success_and_before_the_status() -> None:
    rules = (
        AnswerRule(statuses=(200, 404), when="body.code == 'busy'", outcome=AnswerOutcome.RETRY),
        AnswerRule(when="body.code == 'busy'", outcome=AnswerOutcome.REFUSED),
        AnswerRule(statuses=(409,), outcome=AnswerOutcome.ACCEPTED),
        AnswerRule(statuses=(451,), outcome=AnswerOutcome.HALVE),
    )
    mapping = AnswerMapping(success="body.ok", rules=rules)
    assert read(mapping, 200, {"code": "busy", "ok": True}).outcome is RETRY
    assert read(mapping, 404, {"code": "busy"}).outcome is RETRY
    assert read(mapping, 404, {"code": "other"}).outcome is Outcome.PAUSE_CAMPAIGN
    assert read(mapping, 503, {"code": "busy"}).outcome is REFUSED
    assert read(mapping, 409, b"garbage").outcome is ACCEPTED
    assert read(mapping, 451, {}).outcome is Outcome.HALVE
    assert read(mapping, 451, {}, 1).outcome is REFUSED


def test_a_rule_that_accepts_lets_the_parts_speak() -> None:
    rules = (AnswerRule(statuses=(409,), outcome=AnswerOutcome.ACCEPTED),)
    mapping = AnswerMapping(rules=rules, items=AnswerItems(list="body", accepted="item.ok"))
    verdict = read(mapping, 409, [{"ok": True}, {"ok": False}])
    assert outcomes(verdict) == {7: ACCEPTED, 8: REFUSED, 9: ACCEPTED}


@pytest.mark.parametrize(
    ("unlisted", "becomes"),
    [
        (AnswerOutcome.ACCEPTED, ACCEPTED),
        (AnswerOutcome.RETRY, RETRY),
        (AnswerOutcome.REFUSED, REFUSED),
    ],
)
@pytest.mark.parametrize("alignment", list(Alignment))
def test_who_is_not_named_is_what_the_mapping_says(
    unlisted: AnswerOutcome, becomes: Outcome, alignment: Alignment
) -> None:
    items = AnswerItems(
        list="body", alignment=alignment, address="item.to", accepted="item.ok", unlisted=unlisted
    )
    part = {"to": "ann@example.com", "ok": False}
    body: Any = {"ann@example.com": part} if alignment is Alignment.KEY else [part]
    verdict = read(AnswerMapping(items=items), 200, body)
    assert outcomes(verdict) == {7: REFUSED, 8: becomes, 9: becomes}


def test_a_part_sees_its_place_its_key_and_the_whole_answer() -> None:
    by_index = AnswerItems(list="body.parts", accepted="index != `1`", id="body.job")
    verdict = read(AnswerMapping(items=by_index), 200, {"job": 5, "parts": [0, 0, 0]})
    assert outcomes(verdict) == {7: ACCEPTED, 8: REFUSED, 9: ACCEPTED}
    assert verdict.esp_ids == {7: "5", 9: "5"}
    by_key = AnswerItems(list="body", alignment=Alignment.KEY, accepted="`true`", id="key")
    verdict = read(AnswerMapping(items=by_key), 200, {"bob@example.com": {}})
    assert verdict.esp_ids == {8: "bob@example.com"}


def test_keyed_parts_may_name_their_address_elsewhere_than_in_the_key() -> None:
    items = AnswerItems(
        list="body", alignment=Alignment.KEY, address="addr_spec(item.to)", accepted="item.ok"
    )
    body = {"x-1": {"to": "Bob <bob@example.com>", "ok": False}, "x-2": {"ok": False}}
    verdict = read(AnswerMapping(items=items), 200, body)
    assert outcomes(verdict) == {7: ACCEPTED, 8: REFUSED, 9: ACCEPTED}


def test_of_two_parts_for_one_address_the_first_counts() -> None:
    items = AnswerItems(
        list="body", alignment=Alignment.ADDRESS, address="item.to", accepted="item.ok"
    )
    body = [{"to": "ann@example.com", "ok": False}, {"to": "ANN@example.com", "ok": True}]
    assert outcomes(read(AnswerMapping(items=items), 200, body))[7] is REFUSED


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (" <a@b> ", "<a@b>"),
        (2**53 + 1, "9007199254740993"),
        (2**64 - 1, "18446744073709551615"),
        (0, "0"),
        (1.5, ""),
        ("a\x00b", ""),
        ("a\nb", ""),
        (True, ""),
        (None, ""),
        ({"a": 1}, ""),
        ("", ""),
    ],
)
def test_an_id_is_kept_as_text_with_all_its_digits(value: object, text: str) -> None:
    verdict = read(AnswerMapping(message_id="body.id"), 200, {"id": value}, 1)
    assert verdict.esp_ids == ({7: text} if text else {})


def test_a_refusal_without_a_reason_shows_what_was_said_of_the_message() -> None:
    items = AnswerItems(list="body", accepted="item.ok", reason="item.why")
    verdict = read(AnswerMapping(items=items), 200, [{"ok": False, "code": 12}], 1)
    assert reasons(verdict) == ['{"ok":false,"code":12}']


# --- waits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "value", "seconds"),
    [
        (WaitUnit.SECONDS, 30, 30.0),
        (WaitUnit.SECONDS, "2.5", 2.5),
        (WaitUnit.SECONDS, 0, 0.0),
        (WaitUnit.SECONDS, 1e9, 3600.0),
        (WaitUnit.SECONDS, -1, None),
        (WaitUnit.SECONDS, "soon", None),
        (WaitUnit.SECONDS, "9" * 400, None),
        (WaitUnit.SECONDS, True, None),
        (WaitUnit.SECONDS, [5], None),
        (WaitUnit.EPOCH, int(NOW) + 60, 60.0),
        (WaitUnit.EPOCH, str(int(NOW) + 61), 61.0),
        (WaitUnit.EPOCH, NOW + 1e6, 3600.0),
        (WaitUnit.EPOCH, NOW - 1, None),
        (WaitUnit.DATE, "Mon, 20 Dec 2021 20:34:20 GMT", 60.0),
        (WaitUnit.DATE, "after Mon, 20 Dec 2021 21:34:20 +0100.", 60.0),
        (WaitUnit.DATE, "after 20 Dec 2021 20:34:20", 60.0),
        (WaitUnit.DATE, "x" * 10_000 + " Monday, 20-Dec-21 20:34:20 GMT", 60.0),
        (WaitUnit.DATE, "Mon, 20 Dec 2021 20:33:19 UTC", None),
        (WaitUnit.DATE, "Mon, 20 Dec 2031 20:33:20 UTC", 3600.0),
        (WaitUnit.DATE, "Mon, 20 Dec 2021 20:34:20 GMT is when", None),
        (WaitUnit.DATE, "tomorrow", None),
        (WaitUnit.DATE, 60, None),
    ],
)
def test_a_hint_says_how_long_to_wait_within_an_hour(
    unit: WaitUnit, value: object, seconds: float | None
) -> None:
    mapping = AnswerMapping(waits=(WaitHint(at="body.wait", unit=unit),))
    assert read(mapping, 429, {"wait": value}).wait_seconds == seconds


def test_the_first_hint_that_says_something_counts_and_retry_after_comes_last() -> None:
    hints = (WaitHint(at="body.first"), WaitHint(at="headers.second"))
    mapping = AnswerMapping(waits=hints)
    assert read(mapping, 503, {"first": 5}, second="6", Retry_After="7").wait_seconds == 5.0
    assert read(mapping, 503, {"first": ""}, second="6", Retry_After="7").wait_seconds == 6.0
    assert read(mapping, 503, b"garbage", Retry_After="7").wait_seconds == 7.0
    assert read(mapping, 503).wait_seconds is None


def test_a_wait_is_of_interest_only_where_something_goes_again() -> None:
    hints = (WaitHint(at='headers."x-ratelimit-reset"'),)
    items = AnswerItems(list="body", accepted="item.ok", retry="item.later")
    mapping = AnswerMapping(items=items, waits=hints)
    later = [{"ok": True}, {"later": True}]
    assert read(mapping, 200, later, X_RateLimit_Reset="9").wait_seconds == 9.0
    assert read(mapping, 200, [{"ok": False}], X_RateLimit_Reset="9").wait_seconds is None
    assert read(mapping, 200, [], X_RateLimit_Reset="9").wait_seconds is None
    assert read(mapping, 409, [], X_RateLimit_Reset="9").wait_seconds is None


# --- anything at all --------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["Messages", "status", "data", "messages", "failed_emails", "Status", "email"]
            )
            | st.text(),
            inner,
        )
    ),
    max_leaves=12,
)
BODIES = st.binary() | JSON.map(lambda value: json.dumps(value).encode())


@given(
    mapping=st.sampled_from(ALL),
    status=st.integers(100, 599),
    body=BODIES,
    people=st.integers(1, 3),
    header=st.text(max_size=20),
)
def test_whatever_an_esp_answers_each_message_has_one_outcome(
    mapping: AnswerMapping, status: int, body: bytes, people: int, header: str
) -> None:
    headers = (("X-Message-Id", header), ("X-RateLimit-Reset", header), ("Retry-After", header))
    answer = HttpResponse(status=status, headers=headers, body=body)
    verdict = read_answer(mapping, answer, THREE[:people], now=NOW)
    ordinals = [ordinal for ordinal, _ in THREE[:people]]
    if verdict.outcome is PARTLY:
        assert [part.ordinal for part in verdict.parts] == ordinals
        assert {part.outcome for part in verdict.parts} <= {ACCEPTED, RETRY, REFUSED}
    else:
        assert verdict.parts == ()
    assert set(verdict.esp_ids) <= set(ordinals)
    assert all(verdict.esp_ids.values())
    assert verdict.wait_seconds is None or 0 <= verdict.wait_seconds <= 3600


def test_an_expression_of_an_earlier_version_that_is_none_any_more_finds_nothing() -> None:
    # `!a.b` was stored before it was refused.
    none = "!item.bad.at"
    mapping = AnswerMapping(
        rules=(AnswerRule(when=none, outcome=AnswerOutcome.PAUSE_CAMPAIGN),),
        message_id="body.id",
        items=AnswerItems(list=none, retry=none, unlisted=AnswerOutcome.ACCEPTED),
        waits=(WaitHint(at=none),),
    )
    assert read(mapping, 200, {"id": "x"}).esp_ids == {7: "x", 8: "x", 9: "x"}
    assert read(mapping, 503).outcome is RETRY
