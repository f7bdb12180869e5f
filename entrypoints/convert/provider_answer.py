"""How an ESP's answers are read: the configuration of it, to and from the API."""

from domain.answer_mapping import (
    Alignment,
    AnswerItems,
    AnswerMapping,
    AnswerOutcome,
    AnswerRule,
    WaitHint,
    WaitUnit,
)
from entrypoints.convert.enums import pair
from entrypoints.convert.reading import Reading
from espalier.v1 import provider_pb2

OUTCOMES = pair(AnswerOutcome, provider_pb2.AnswerOutcome.Value, "ANSWER_OUTCOME")
ALIGNMENTS = pair(Alignment, provider_pb2.Alignment.Value, "ALIGNMENT")
WAIT_UNITS = pair(WaitUnit, provider_pb2.WaitUnit.Value, "WAIT_UNIT")
_NONE = AnswerMapping()


def read_answer(message: provider_pb2.AnswerMapping, reading: Reading) -> AnswerMapping:
    """An empty message is the mapping that says nothing."""
    return AnswerMapping(
        success=message.success,
        rules=tuple(
            _rule(rule, f"answer.rules[{i}]", reading) for i, rule in enumerate(message.rules)
        ),
        message_id=message.message_id,
        items=_items(message.items, reading) if message.HasField("items") else None,
        waits=tuple(
            _wait(hint, f"answer.waits[{i}]", reading) for i, hint in enumerate(message.waits)
        ),
    )


def to_answer(mapping: AnswerMapping) -> provider_pb2.AnswerMapping | None:
    """None where it says nothing."""
    if mapping == _NONE:
        return None
    return provider_pb2.AnswerMapping(
        success=mapping.success,
        rules=[_to_rule(rule) for rule in mapping.rules],
        message_id=mapping.message_id,
        items=None if mapping.items is None else _to_items(mapping.items),
        waits=[
            provider_pb2.WaitHint(at=hint.at, unit=WAIT_UNITS.to_proto[hint.unit])
            for hint in mapping.waits
        ],
    )


def _rule(message: provider_pb2.AnswerRule, field: str, reading: Reading) -> AnswerRule:
    refused = AnswerOutcome.REFUSED
    return AnswerRule(
        statuses=tuple(message.statuses),
        when=message.when,
        outcome=reading.chosen(OUTCOMES, message.outcome, f"{field}.outcome", stand_in=refused),
    )


def _items(message: provider_pb2.AnswerItems, reading: Reading) -> AnswerItems:
    given = AnswerItems(list=message.list)
    return AnswerItems(
        list=message.list,
        alignment=reading.choice(
            ALIGNMENTS, message.alignment, "answer.items.alignment", default=given.alignment
        ),
        address=message.address,
        accepted=message.accepted,
        retry=message.retry,
        id=message.id,
        reason=message.reason,
        unlisted=reading.choice(
            OUTCOMES, message.unlisted, "answer.items.unlisted", default=given.unlisted
        ),
        also_statuses=tuple(message.also_statuses),
    )


def _wait(message: provider_pb2.WaitHint, field: str, reading: Reading) -> WaitHint:
    seconds = WaitUnit.SECONDS
    unit = reading.choice(WAIT_UNITS, message.unit, f"{field}.unit", default=seconds)
    return WaitHint(at=message.at, unit=unit)


def _to_rule(rule: AnswerRule) -> provider_pb2.AnswerRule:
    return provider_pb2.AnswerRule(
        statuses=rule.statuses, when=rule.when, outcome=OUTCOMES.to_proto[rule.outcome]
    )


def _to_items(items: AnswerItems) -> provider_pb2.AnswerItems:
    return provider_pb2.AnswerItems(
        list=items.list,
        alignment=ALIGNMENTS.to_proto[items.alignment],
        address=items.address,
        accepted=items.accepted,
        retry=items.retry,
        id=items.id,
        reason=items.reason,
        unlisted=OUTCOMES.to_proto[items.unlisted],
        also_statuses=items.also_statuses,
    )
