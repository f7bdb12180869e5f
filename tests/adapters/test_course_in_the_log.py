"""What an operator reads in the log of the course of campaigns and providers."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.campaign import CampaignState
from domain.errors import AlreadyExists, Conflict, NotPossibleNow, TryLater
from tests.contracts.bench import Bench
from tests.contracts.ports import NOW, over_sql
from tests.domain.provider_samples import BASIC, POST, header

# What every record has, besides what it was given.
_OF_ANY = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


@pytest.fixture
async def bench(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Bench]:
    async with over_sql(tmp_path) as ports:
        made = await Bench.on(ports)
        caplog.set_level(logging.INFO)
        yield made


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, dict[str, Any]]]:
    """Level, text and facts of each line, which are forgotten with that."""
    lines = [
        (
            each.levelname,
            each.getMessage(),
            {k: v for k, v in vars(each).items() if k not in _OF_ANY},
        )
        for each in caplog.records
        if each.name.startswith("adapters.sql.")
    ]
    caplog.clear()
    return lines


async def test_a_campaign_is_told_of_once_when_it_is_accepted(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    number = await bench.campaign(3)
    await bench.ports.campaigns.accept(number, fingerprint=b"f")
    facts = {"campaign": number, "provider": "acme", "recipients": 3, "state": "SENDING"}
    assert told(caplog) == [("INFO", "campaign accepted", facts)]


async def test_a_campaign_that_is_not_accepted_is_not_told_of(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    campaigns, number = bench.ports.campaigns, await bench.campaign(1)
    spec = (await campaigns.get(number)).spec
    other, late = [await campaigns.begin(spec, bench.provider.provider_id) for _ in range(2)]
    told(caplog)
    with pytest.raises(AlreadyExists):
        await campaigns.accept(other, fingerprint=b"another")
    bench.ports.be_busy(True)
    with pytest.raises(TryLater):
        await campaigns.accept(late, fingerprint=b"f")
    assert told(caplog) == []


async def test_each_state_that_a_campaign_comes_into_is_told_with_the_reason(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    number = await bench.campaign(1)
    told(caplog)
    for state in (CampaignState.PAUSED, CampaignState.SENDING, CampaignState.CANCELLED):
        await bench.put(number, state)
    course = [(level, text, facts["before"]) for level, text, facts in told(caplog)]
    assert course == [
        ("WARNING", "campaign paused", "SENDING"),
        ("INFO", "campaign sending", "PAUSED"),
        ("INFO", "campaign cancelled", "SENDING"),
    ]
    await bench.put(await bench.campaign(1), CampaignState.PAUSED)
    (_, _, facts) = told(caplog)[1]
    assert facts == {
        "campaign": number + 1,
        "provider": "acme",
        "before": "SENDING",
        "reason": "by a test",
    }


async def test_a_state_that_is_left_as_it_is_is_not_told_of(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    number = await bench.campaign(1)
    told(caplog)

    def refuse(state: CampaignState) -> None:
        raise NotPossibleNow("no")

    await bench.ports.campaigns.change_state(number, lambda _: None)
    with pytest.raises(NotPossibleNow):
        await bench.ports.campaigns.change_state(number, refuse)
    assert told(caplog) == []


@pytest.mark.parametrize("resend", [False, True])
async def test_what_is_decided_about_unknown_messages_is_told(
    bench: Bench, caplog: pytest.LogCaptureFixture, resend: bool
) -> None:
    number = await bench.lost(2)
    told(caplog)
    await bench.ports.campaigns.resolve_unknown(number, resend=resend)
    await bench.ports.campaigns.resolve_unknown(number, resend=resend)
    facts = {"campaign": number, "count": 2, "resent": resend}
    assert told(caplog) == [("INFO", "unknown messages resolved", facts)]


async def test_a_provider_is_told_of_without_what_is_secret(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    providers = bench.ports.providers
    secret = replace(POST, nickname="Shop", basic=BASIC, headers=(header("X", "k3y", secret=True),))
    made, _ = await providers.configure("shop", lambda _: secret)
    await providers.configure("shop", lambda _: replace(secret, nickname="SHOP"))
    with pytest.raises(Conflict):
        await providers.delete("shop", etag=made.etag)
    await providers.delete("shop", etag="")
    assert told(caplog) == [
        ("INFO", "provider configured", {"provider": "Shop", "version": 1, "is_new": True}),
        ("INFO", "provider configured", {"provider": "SHOP", "version": 2, "is_new": False}),
        ("INFO", "provider deleted", {"provider": "SHOP"}),
    ]


async def test_a_pause_of_a_provider_is_told_once_while_it_lasts(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    pause, provider_id = bench.ports.providers.pause, bench.provider.provider_id
    for seconds in (5, 6, 4):
        await pause(provider_id, until=NOW + seconds, reason="429")
    (line,) = told(caplog)
    facts = {"provider": "acme", "seconds": 5.0, "reason": "429"}
    assert line == ("WARNING", "provider paused", facts)
    bench.ports.clock.advance(6)
    await pause(provider_id, until=NOW + 9, reason="429")
    assert [facts["seconds"] for _, _, facts in told(caplog)] == [3.0]


async def test_what_a_sweep_removes_is_told_and_an_empty_one_is_not(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    campaigns, number = bench.ports.campaigns, await bench.campaign(1)
    spec = (await campaigns.get(number)).spec
    await campaigns.begin(spec, bench.provider.provider_id)
    told(caplog)
    for _ in range(2):
        await campaigns.sweep(begun_before=NOW + 1)
    assert [facts for _, _, facts in told(caplog)] == [{"count": 1}]
