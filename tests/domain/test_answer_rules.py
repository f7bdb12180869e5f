"""What is wrong with what a provider says of its ESP's answers."""

from dataclasses import replace

import pytest

from domain.answer_mapping import (
    Alignment,
    AnswerItems,
    AnswerMapping,
    AnswerOutcome,
    AnswerRule,
    WaitHint,
)
from domain.answer_rules import MAX_RULES, MAX_STATUSES, MAX_WAITS, check
from tests.domain.answer_samples import ALL

RETRY = AnswerOutcome.RETRY
ITEMS = AnswerItems(list="body", accepted="item.ok")


def found(mapping: AnswerMapping) -> list[tuple[str, str]]:
    return [(violation.field, violation.reason) for violation in check(mapping)]


@pytest.mark.parametrize("mapping", [AnswerMapping(), *ALL])
def test_what_describes_a_real_esp_has_no_fault(mapping: AnswerMapping) -> None:
    assert found(mapping) == []


BAD = "body.["
CASES: list[tuple[AnswerMapping, str, str]] = [
    (AnswerMapping(success=BAD), "answer.success", "INVALID_EXPRESSION"),
    (AnswerMapping(success="lenght(body)"), "answer.success", "INVALID_EXPRESSION"),
    (AnswerMapping(success="a" * 2001), "answer.success", "INVALID_EXPRESSION"),
    (AnswerMapping(message_id=BAD), "answer.message_id", "INVALID_EXPRESSION"),
    (AnswerMapping(rules=(AnswerRule(outcome=RETRY),)), "answer.rules[0]", "REQUIRED"),
    (
        AnswerMapping(rules=(AnswerRule(when=BAD, outcome=RETRY),)),
        "answer.rules[0].when",
        "INVALID_EXPRESSION",
    ),
    (
        AnswerMapping(rules=(AnswerRule(statuses=(200, 99), outcome=RETRY),)),
        "answer.rules[0].statuses[1]",
        "OUT_OF_RANGE",
    ),
    (
        AnswerMapping(rules=(AnswerRule(statuses=(600,), outcome=RETRY),)),
        "answer.rules[0].statuses[0]",
        "OUT_OF_RANGE",
    ),
    (
        AnswerMapping(rules=(AnswerRule(statuses=(200,) * (MAX_STATUSES + 1), outcome=RETRY),)),
        "answer.rules[0].statuses",
        "TOO_MANY",
    ),
    (
        AnswerMapping(rules=(AnswerRule(statuses=(200,), outcome=RETRY),) * (MAX_RULES + 1)),
        "answer.rules",
        "TOO_MANY",
    ),
    (AnswerMapping(waits=(WaitHint(at=""),)), "answer.waits[0].at", "REQUIRED"),
    (AnswerMapping(waits=(WaitHint(at=BAD),)), "answer.waits[0].at", "INVALID_EXPRESSION"),
    (AnswerMapping(waits=(WaitHint(at="body"),) * (MAX_WAITS + 1)), "answer.waits", "TOO_MANY"),
    *[
        (AnswerMapping(items=items), f"answer.items.{field}", reason)
        for items, field, reason in (
            (AnswerItems(list=""), "list", "REQUIRED"),
            (replace(ITEMS, list=BAD), "list", "INVALID_EXPRESSION"),
            (replace(ITEMS, accepted=BAD), "accepted", "INVALID_EXPRESSION"),
            (replace(ITEMS, retry=BAD), "retry", "INVALID_EXPRESSION"),
            (replace(ITEMS, id=BAD), "id", "INVALID_EXPRESSION"),
            (replace(ITEMS, reason=BAD), "reason", "INVALID_EXPRESSION"),
            (replace(ITEMS, alignment=Alignment.ADDRESS), "address", "REQUIRED"),
            (replace(ITEMS, address="item.to"), "address", "NOT_WITH_THIS_KIND"),
            (AnswerItems(list="body", retry="item.later"), "retry", "REQUIRED"),
            (AnswerItems(list="body", reason="item.why"), "reason", "REQUIRED"),
            (AnswerItems(list="body", also_statuses=(400,)), "accepted", "REQUIRED"),
            (replace(ITEMS, also_statuses=(200,)), "also_statuses[0]", "OUT_OF_RANGE"),
            (replace(ITEMS, unlisted=AnswerOutcome.HALVE), "unlisted", "NOT_ALLOWED"),
            (replace(ITEMS, unlisted=AnswerOutcome.PAUSE_CAMPAIGN), "unlisted", "NOT_ALLOWED"),
        )
    ],
]


@pytest.mark.parametrize(
    ("mapping", "field", "reason"), CASES, ids=[f"{i}-{case[1]}" for i, case in enumerate(CASES)]
)
def test_each_fault_is_told_at_its_place(mapping: AnswerMapping, field: str, reason: str) -> None:
    assert found(mapping) == [(field, reason)]


def test_all_faults_are_told_together_and_each_names_the_way_out() -> None:
    mapping = AnswerMapping(
        success=BAD,
        rules=(AnswerRule(outcome=RETRY),),
        items=replace(ITEMS, alignment=Alignment.ADDRESS, also_statuses=(700,)),
        waits=(WaitHint(at=""),),
    )
    violations = list(check(mapping))
    assert [violation.field for violation in violations] == [
        "answer.success",
        "answer.rules[0]",
        "answer.items.address",
        "answer.items.also_statuses[0]",
        "answer.waits[0].at",
    ]
    ways_out = ("; correct", "; give", "; say", "; remove")
    assert all(any(way in each.message for way in ways_out) for each in violations)
