"""The settings of the simulated ESP, the X-Simulate header, and what becomes of an address."""

from typing import Any

import pytest

from entrypoints.simulated_esp import (
    Behaviour,
    BehaviourError,
    Callbacks,
    EspSettings,
    Faults,
    Span,
)
from entrypoints.simulated_esp.directive import Directive, Drop, parse_directive
from entrypoints.simulated_esp.outcomes import callback_types, draws, first_word


@pytest.mark.parametrize(
    ("text", "directive"),
    [
        ("", Directive()),
        ("status=503; retry-after=2", Directive(status=503, retry_after=2)),
        ("retry-after-date=5", Directive(retry_after=5, retry_after_is_date=True)),
        ("delay=0.5", Directive(delay=Span(low=0.5, high=0.5))),
        ("Delay = 0.1-0.5 ;", Directive(delay=Span(low=0.1, high=0.5))),
        ("drop", Directive(drop=Drop.BEFORE)),
        ("drop=after;garbage", Directive(drop=Drop.AFTER, garbage=True)),
        ("drip=0.01; times=2", Directive(drip_seconds=0.01, times=2)),
        (
            "fail=A@x.example; fail=b@x.example",
            Directive(fail=frozenset({"a@x.example", "b@x.example"})),
        ),
    ],
)
def test_the_header_says_what_a_request_meets(text: str, directive: Directive) -> None:
    assert parse_directive(text) == directive


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("explode", "X-Simulate: explode is unknown; there are status, retry-after"),
        ("status=teapot", "X-Simulate: status cannot be 'teapot'"),
        ("status=99", "X-Simulate: status is 99: it must be from 200 to 599"),
        ("retry-after=-1", "X-Simulate: retry-after cannot be '-1'"),
        ("drop=later", "X-Simulate: drop cannot be 'later'"),
        ("delay=soon", "X-Simulate: delay is 'soon': give seconds"),
        ("delay=5-1", "delay is '5-1': give seconds"),
        ("fail", "X-Simulate: fail needs an address"),
        ("garbage=yes", "X-Simulate: garbage cannot be 'yes'"),
    ],
)
def test_a_header_that_cannot_be_obeyed_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(BehaviourError, match=reason):
        parse_directive(text)


def test_changes_reach_single_settings_and_leave_the_others() -> None:
    before = Behaviour(faults=Faults(throttle=0.2), callbacks=Callbacks(clicked=0.3))

    after = before.changed(
        {"faults": {"delay": [0.1, 0.5], "refuse": ["a@x.example"]}, "callbacks": {"batch": 7}}
    )

    assert after == Behaviour(
        faults=Faults(throttle=0.2, delay=Span(low=0.1, high=0.5), refuse=("a@x.example",)),
        callbacks=Callbacks(clicked=0.3, batch=7),
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([], "the body must be a JSON object"),
        ({"faluts": {}}, "faluts is no setting; there are faults, callbacks"),
        ({"faults": {"throtle": 1}}, "faults.throtle is no setting; there are delay"),
        ({"faults": 3}, "faults must be a JSON object"),
        ({"faults": {"throttle": "much"}}, "faults.throttle must be a float, not 'much'"),
        ({"faults": {"throttle": 1.5}}, "faults.throttle is 1.5: a share lies between 0 and 1"),
        ({"faults": {"throttle": 0.6, "drop": 0.6}}, "must add up to at most 1"),
        ({"faults": {"partial": 1}}, "faults.partial must be a bool, not 1"),
        ({"faults": {"refuse": [1]}}, "faults.refuse must be an array of strings"),
        ({"faults": {"delay": "soon"}}, "faults.delay is 'soon': give seconds"),
        ({"faults": {"client_error_status": 503}}, "client_error_status is 503: it must be from"),
        ({"callbacks": {"delivered": 0.99}}, "must add up to at most 1"),
        ({"callbacks": {"spam": 0.6, "unsubscribed": 0.6}}, "must add up to at most 1"),
        ({"callbacks": {"batch": 0}}, "callbacks.batch is 0: it must be at least 1"),
        ({"callbacks": {"url": "ftp://x.example"}}, "callbacks.url must be like http"),
        ({"callbacks": {"url": "http://"}}, "callbacks.url must be like http"),
        ({"callbacks": {"url": "http://x.example:99999/"}}, "callbacks.url must be like http"),
    ],
)
def test_a_change_that_does_not_fit_is_refused_by_name(changes: Any, reason: str) -> None:
    with pytest.raises(BehaviourError, match=reason):
        Behaviour().changed(changes)


def test_the_password_stands_in_no_repr_and_in_no_error() -> None:
    with pytest.raises(BehaviourError) as refused:
        EspSettings(basic="hunter2")

    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(EspSettings(basic="user:hunter2"))


@pytest.mark.parametrize(
    ("address", "types"),
    [
        ("bounce@x.example", ("hard_bounce",)),
        ("Bounce17+a@x.example", ("hard_bounce",)),
        ("soft.1@x.example", ("soft_bounce",)),
        ("unsub@x.example", ("delivered", "unsubscribed")),
        ("spam_2@x.example", ("delivered", "spam")),
        ("click3@x.example", ("delivered", "clicked")),
        ("quiet@x.example", ()),
        ("bouncer@x.example", ("delivered",)),
        ("a.bounce@x.example", ("delivered",)),
    ],
)
def test_an_address_can_choose_its_fate(address: str, types: tuple[str, ...]) -> None:
    everything_arrives = Callbacks(
        delivered=1, hard_bounce=0, soft_bounce=0, clicked=0, unsubscribed=0, spam=0
    )

    assert callback_types(everything_arrives, draws(0, address), first_word(address)) == types


def test_proportions_come_out_as_asked_for_and_the_same_each_time() -> None:
    plan = Callbacks()
    addresses = [f"person{number}@x.example" for number in range(20_000)]

    def outcomes() -> list[tuple[str, ...]]:
        return [callback_types(plan, draws(7, address), "") for address in addresses]

    first = outcomes()
    delivered = sum("delivered" in steps for steps in first)
    expected = {
        "delivered": 20_000 * 0.95,
        "hard_bounce": 20_000 * 0.02,
        "soft_bounce": 20_000 * 0.02,
        "clicked": delivered * 0.1,
        "unsubscribed": delivered * 0.005,
        "spam": delivered * 0.002,
    }

    assert first == outcomes()
    for kind, number in expected.items():
        # Four standard deviations of a count that is drawn with a small probability.
        assert sum(kind in steps for steps in first) == pytest.approx(number, abs=4 * number**0.5)


def test_another_seed_makes_other_outcomes() -> None:
    addresses = [f"person{number}@x.example" for number in range(100)]

    assert [draws(1, address) for address in addresses] != [draws(2, a) for a in addresses]
