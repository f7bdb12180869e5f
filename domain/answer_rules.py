"""The rules for what a provider says of its ESP's answers."""

from collections.abc import Iterator, Sequence

from domain.answer_mapping import (
    Alignment,
    AnswerItems,
    AnswerMapping,
    AnswerOutcome,
    AnswerRule,
    WaitHint,
)
from domain.errors import Violation
from domain.expressions import expression_fault

# Each may be looked at for every answer; the ESPs of the field need two or three.
MAX_RULES = 50
MAX_WAITS = 10
MAX_STATUSES = 100

_STATUSES = range(100, 600)
_NOT_SUCCESS = range(300, 600)
_OF_ONE_MESSAGE = (AnswerOutcome.ACCEPTED, AnswerOutcome.RETRY, AnswerOutcome.REFUSED)


def check(mapping: AnswerMapping) -> Iterator[Violation]:
    """The faults of a mapping, with fields that begin with `answer.`"""
    yield from _expression("answer.success", mapping.success)
    yield from _few("answer.rules", mapping.rules, MAX_RULES)
    for index, rule in enumerate(mapping.rules[:MAX_RULES]):
        yield from _rule(f"answer.rules[{index}]", rule)
    yield from _expression("answer.message_id", mapping.message_id)
    if mapping.items is not None:
        yield from _items("answer.items", mapping.items)
    yield from _few("answer.waits", mapping.waits, MAX_WAITS)
    for index, wait in enumerate(mapping.waits[:MAX_WAITS]):
        yield from _wait(f"answer.waits[{index}].at", wait)


def _rule(field: str, rule: AnswerRule) -> Iterator[Violation]:
    if not rule.statuses and not rule.when:
        message = "fits every answer; give it statuses, or a condition in when"
        yield Violation(field=field, reason="REQUIRED", message=message)
    yield from _statuses(f"{field}.statuses", rule.statuses, _STATUSES)
    yield from _expression(f"{field}.when", rule.when)


def _items(field: str, items: AnswerItems) -> Iterator[Violation]:
    if not items.list:
        message = "is missing; say where the parts stand (`body.messages`), or leave out items"
        yield Violation(field=f"{field}.list", reason="REQUIRED", message=message)
    for name in ("list", "address", "accepted", "retry", "id", "reason"):
        yield from _expression(f"{field}.{name}", getattr(items, name))
    yield from _alignment(f"{field}.address", items)
    yield from _outcomes(field, items)
    yield from _statuses(f"{field}.also_statuses", items.also_statuses, _NOT_SUCCESS)


def _alignment(field: str, items: AnswerItems) -> Iterator[Violation]:
    if items.alignment is Alignment.ADDRESS and not items.address:
        message = "is missing; say where a part names its address (`item.email`), or align by INDEX"
        yield Violation(field=field, reason="REQUIRED", message=message)
    if items.alignment is Alignment.INDEX and items.address:
        message = "is not looked at with INDEX; remove it, or align by ADDRESS"
        yield Violation(field=field, reason="NOT_WITH_THIS_KIND", message=message)


def _outcomes(field: str, items: AnswerItems) -> Iterator[Violation]:
    for name in () if items.accepted else ("retry", "reason"):
        if getattr(items, name):
            message = "is never looked at without items.accepted; give that too, or remove this"
            yield Violation(field=f"{field}.{name}", reason="REQUIRED", message=message)
    if items.unlisted not in _OF_ONE_MESSAGE:
        message = f"cannot be {items.unlisted}; choose ACCEPTED, RETRY or REFUSED"
        yield Violation(field=f"{field}.unlisted", reason="NOT_ALLOWED", message=message)
    if items.also_statuses and not items.accepted:
        message = (
            "is missing, so that a refusal would accept all that it names; say which messages the "
            "ESP took (`item.status == 'success'`, or `` `false` `` for none), or leave out "
            "also_statuses"
        )
        yield Violation(field=f"{field}.accepted", reason="REQUIRED", message=message)


def _wait(field: str, wait: WaitHint) -> Iterator[Violation]:
    if not wait.at:
        message = (
            'is missing; say where the hint stands (`headers."x-ratelimit-reset"`), or remove it'
        )
        yield Violation(field=field, reason="REQUIRED", message=message)
    yield from _expression(field, wait.at)


def _expression(field: str, text: str) -> Iterator[Violation]:
    fault = expression_fault(text) if text else None
    if fault is not None:
        message = f"{fault}; correct the expression"
        yield Violation(field=field, reason="INVALID_EXPRESSION", message=message)


def _few(field: str, entries: Sequence[object], most: int) -> Iterator[Violation]:
    if len(entries) > most:
        message = f"has {len(entries)} entries; {most} are allowed, so put several into one"
        yield Violation(field=field, reason="TOO_MANY", message=message)


def _statuses(field: str, statuses: Sequence[int], allowed: range) -> Iterator[Violation]:
    yield from _few(field, statuses, MAX_STATUSES)
    for index, status in enumerate(statuses[:MAX_STATUSES]):
        if status not in allowed:
            message = f"is {status}; give a status from {allowed.start} to {allowed.stop - 1}"
            yield Violation(field=f"{field}[{index}]", reason="OUT_OF_RANGE", message=message)
