"""Timelines: which sentence says what, and in which order."""

from dataclasses import replace

import pytest

from domain.callback import CallbackType
from domain.campaign import CampaignSpec, CampaignState, Content, Recipient
from domain.events import EVENTS_OF_CALLBACK, EntryKind, LogEntry, SystemEvent, system_events
from domain.message import ABANDONED, Counts, MessageState
from domain.message_id import MessageIds
from entrypoints.convert.timeline import to_timeline
from espalier.v1 import campaign_pb2
from services.ports import Campaign, MessageRow, Resend
from services.read_message import History

CAMPAIGN = Campaign(
    number=7,
    spec=CampaignSpec(request_id="r", provider="acme", content=Content()),
    provider_id=1,
    provider="acme",
    state=CampaignState.SENDING,
    state_reason="",
    counts=Counts(),
    created_at=100.0,
    started_at=100.0,
    ended_at=None,
)
CANCELLED = replace(
    CAMPAIGN, state=CampaignState.CANCELLED, state_reason="wrong list", ended_at=300.0
)
LOST = "A request with it left, and the answer was lost."
RESENT = "Its outcome was unknown, and ResolveUnknownMessages had it sent again."
NOT_SENT = campaign_pb2.TIMELINE_ENTRY_KIND_NOT_SENT


def message(
    state: MessageState, reason: str = "", detail: str = "", at: float | None = 200.0
) -> MessageRow:
    return MessageRow(0, Recipient("a@example.com"), state, reason, detail, at)


def history(row: MessageRow, *events: SystemEvent, campaign: Campaign = CAMPAIGN) -> History:
    return History(campaign=campaign, message=row, events=events)


def events(
    kind: EntryKind, *, at: float, callback: CallbackType | None = None, reason: str = ""
) -> list[SystemEvent]:
    entry = LogEntry(
        kind=kind,
        provider="acme",
        number=7,
        ordinals=(0,),
        reason=reason,
        callback_type=callback,
        occurred_at=at,
        received_at=at + 5,
        position=3,
    )
    return list(system_events(entry, MessageIds(b"k" * 32), {0: "a@example.com"}))


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (MessageState.REJECTED, "It was rejected."),
        (MessageState.SUPPRESSED, "It was not sent: the address was suppressed."),
        (
            MessageState.DUPLICATE,
            "It was not sent: an earlier recipient of the campaign has the same address.",
        ),
        (MessageState.CANCELLED, "It was not sent: the campaign had ended."),
        (MessageState.EXPIRED, "It was not sent: the campaign's send_before had passed."),
    ],
)
def test_what_was_not_sent_says_why(state: MessageState, text: str) -> None:
    _, entry = to_timeline(history(message(state, "WORD", "because")))

    assert (entry.kind, entry.text, entry.detail) == (NOT_SENT, text, "because")
    assert entry.time.seconds == 200


@pytest.mark.parametrize(
    "state",
    [MessageState.QUEUED, MessageState.SENDING, MessageState.ACCEPTED, MessageState.DELIVERED],
)
def test_a_message_on_its_way_has_nothing_to_explain(state: MessageState) -> None:
    (entry,) = to_timeline(history(message(state)))

    assert entry.kind == campaign_pb2.TIMELINE_ENTRY_KIND_STORED
    assert entry.time.seconds == 100


def test_a_message_of_a_cancelled_campaign_says_why_that_was_cancelled() -> None:
    row = message(MessageState.CANCELLED, at=None)

    _, entry = to_timeline(history(row, campaign=CANCELLED))

    assert (entry.time.seconds, entry.detail) == (300, "wrong list")


def test_a_suppressed_message_of_a_cancelled_campaign_does_not_blame_the_campaign() -> None:
    _, entry = to_timeline(history(message(MessageState.SUPPRESSED), campaign=CANCELLED))

    assert entry.detail == ""


def test_a_refusal_of_the_esp_is_told_once() -> None:
    refused = events(EntryKind.FAILED, at=150.0, reason="422 no")
    row = message(MessageState.REJECTED, "HTTP_422", "422 no")

    _, entry = to_timeline(history(row, *refused))

    assert (entry.text, entry.detail) == ("The ESP refused it.", "422 no")


def test_what_an_operator_gave_up_has_the_attempt_that_was_lost_before() -> None:
    row = message(MessageState.CANCELLED, ABANDONED)._replace(lost_at=150.0)
    stored, attempt, given_up = to_timeline(history(row))

    assert [entry.kind for entry in (stored, attempt, given_up)] == [
        campaign_pb2.TIMELINE_ENTRY_KIND_STORED,
        campaign_pb2.TIMELINE_ENTRY_KIND_ATTEMPT,
        campaign_pb2.TIMELINE_ENTRY_KIND_OPERATOR,
    ]
    assert (attempt.text, attempt.time.seconds) == (LOST, 150)
    assert given_up.time.seconds == 200


def test_the_attempt_whose_answer_was_lost_is_told_of_whatever_came_of_it() -> None:
    late = events(EntryKind.CALLBACK, at=180.0, callback=CallbackType.DELIVERED)
    row = message(MessageState.DELIVERED)._replace(lost_at=150.0)
    assert [entry.text for entry in to_timeline(history(row, *late))[1:]] == [
        LOST,
        "It was delivered.",
    ]


def test_what_happened_comes_in_the_order_in_which_it_happened() -> None:
    late = events(EntryKind.CALLBACK, at=180.0, callback=CallbackType.DELIVERED)
    sent = events(EntryKind.SENT, at=150.0)

    timeline = to_timeline(history(message(MessageState.DELIVERED), *late, *sent))

    assert [entry.text for entry in timeline[1:]] == ["The ESP accepted it.", "It was delivered."]


def test_a_bounce_in_the_second_of_the_answer_stays_behind_it() -> None:
    sent = events(EntryKind.SENT, at=150.7)
    bounced = events(EntryKind.CALLBACK, at=150.0, callback=CallbackType.SOFT_BOUNCE)

    timeline = to_timeline(history(message(MessageState.SOFT_BOUNCED), *sent, *bounced))

    assert [entry.text for entry in timeline[1:]] == [
        "The ESP accepted it.",
        "It was not delivered for now: a soft bounce.",
    ]
    assert timeline[1].time.nanos == 700_000_000


def test_a_callback_that_was_received_before_the_answer_stays_before_it() -> None:
    sent = events(EntryKind.SENT, at=150.7)
    (delivered,) = events(EntryKind.CALLBACK, at=150.0, callback=CallbackType.DELIVERED)
    overtaking = delivered._replace(received_at=150.3)

    timeline = to_timeline(history(message(MessageState.DELIVERED), *sent, overtaking))

    assert [entry.text for entry in timeline[1:]] == ["It was delivered.", "The ESP accepted it."]


def test_a_callback_with_a_fraction_of_a_second_has_its_exact_place() -> None:
    sent = events(EntryKind.SENT, at=150.7)
    early = events(EntryKind.CALLBACK, at=150.6, callback=CallbackType.DELIVERED)

    timeline = to_timeline(history(message(MessageState.DELIVERED), *sent, *early))

    assert [entry.text for entry in timeline[1:]] == ["It was delivered.", "The ESP accepted it."]


def test_what_was_resent_tells_of_each_lost_answer_and_of_who_sent_it_again() -> None:
    resends = [Resend(150.1, "timed out", 150.3), Resend(150.5, "reset", 150.8)]
    sent = events(EntryKind.SENT, at=150.9)
    told = replace(history(message(MessageState.ACCEPTED), *sent), resends=resends)

    assert [(e.text, e.detail, e.time.nanos // 10**8) for e in to_timeline(told)[1:]] == [
        (LOST, "timed out", 1),
        (RESENT, "", 3),
        (LOST, "reset", 5),
        (RESENT, "", 8),
        ("The ESP accepted it.", "", 9),
    ]


@pytest.mark.parametrize(
    ("lost_at", "detail"), [(150.2, "no answer"), (150.9, "no answer")], ids=["before", "after"]
)
def test_a_lost_answer_has_its_place_within_the_second(lost_at: float, detail: str) -> None:
    row = message(MessageState.UNKNOWN, "ANSWER_LOST", detail)._replace(lost_at=lost_at)
    refused = events(EntryKind.FAILED, at=150.5, reason="422 no")

    timeline = to_timeline(history(row, *refused))[1:]

    texts = [entry.text for entry in timeline]
    assert texts.index(LOST) == (0 if lost_at < 150.5 else 1)
    assert timeline[texts.index(LOST)].detail == detail


def test_an_answer_that_could_not_be_read_was_not_lost() -> None:
    detail = "what the ESP answered cannot be read: 200 <html>"
    row = message(MessageState.UNKNOWN, "ANSWER_UNREADABLE", detail)._replace(lost_at=150.0)

    (entry,) = to_timeline(history(row))[1:]

    assert entry.text == "A request with it left, and the answer could not be read."
    assert entry.detail == detail


@pytest.mark.parametrize("callback", CallbackType)
def test_every_event_of_a_callback_has_a_sentence_of_its_own(callback: CallbackType) -> None:
    said = events(EntryKind.CALLBACK, at=150.0, callback=callback)

    timeline = to_timeline(history(message(MessageState.ACCEPTED), *said))[1:]

    assert len(timeline) == len(EVENTS_OF_CALLBACK[callback])
    labels = {f"{event.type.label}." for event in said}
    assert labels.isdisjoint(entry.text for entry in timeline)
    assert len({entry.text for entry in timeline}) == len(timeline)


def test_a_long_answer_is_cut() -> None:
    row = message(MessageState.REJECTED, detail="x" * 2000)

    assert len(to_timeline(history(row))[1].detail) == 1024
