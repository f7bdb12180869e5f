"""How it is shown that a provider is paused, or that its circuit is not closed."""

from __future__ import annotations

import json

import grpc
import pytest

from domain.circuit import CLOSED, FAILURES_TO_OPEN, Circuit
from domain.provider import Provider
from entrypoints.cli.provider_status import status_facts, status_word
from entrypoints.convert.provider_status import to_status
from espalier.v1 import campaign_pb2, provider_pb2
from tests.domain.provider_samples import POST
from tests.entrypoints.cli_server import espalier, serving

# 2025-06-15 15:06:40 UTC.
NOW = 1_750_000_000.0
DOWN = "the ESP answered 503"
OPEN = Circuit(failures=12, opened=1, open_until=NOW + 5, reason=DOWN)
WAITING = f"waiting: {DOWN}; the next try is at 15:06:45 UTC"


def stored(circuit: Circuit = CLOSED, *, paused_until: float | None = None) -> Provider:
    return Provider(
        provider_id=1,
        version=1,
        config=POST,
        callback_token="t",
        created_at=NOW,
        updated_at=NOW,
        paused_until=paused_until,
        pause_reason="" if paused_until is None else "it asked for patience",
        circuit=circuit,
    )


@pytest.mark.parametrize(
    ("provider", "shown", "word"),
    [
        (stored(), {"Circuit": "closed"}, "ready"),
        (
            stored(Circuit(failures=2, reason=DOWN)),
            {"Circuit": "closed", "Failures in a row": "2", "Last failure": DOWN},
            "ready",
        ),
        (
            stored(OPEN),
            {
                "Circuit": "open until 2025-06-15 15:06:45 UTC",
                "Failures in a row": "12",
                "Last failure": DOWN,
            },
            "open until 2025-06-15 15:06:45 UTC",
        ),
        (
            stored(Circuit(failures=FAILURES_TO_OPEN, opened=1, open_until=NOW, reason=DOWN)),
            {"Circuit": "probing", "Failures in a row": "10", "Last failure": DOWN},
            "probing",
        ),
        (
            stored(paused_until=NOW + 60),
            {
                "Paused until": "2025-06-15 15:07:40 UTC",
                "Paused because": "it asked for patience",
                "Circuit": "closed",
            },
            "paused until 2025-06-15 15:07:40 UTC",
        ),
        (stored(paused_until=NOW), {"Circuit": "closed"}, "ready"),
        # Set before the clock was put back: nothing waits for it.
        (stored(paused_until=NOW + 7200), {"Circuit": "closed"}, "ready"),
    ],
)
def test_a_provider_shows_what_it_is_doing_now(
    provider: Provider, shown: dict[str, str], word: str
) -> None:
    status = to_status(provider, now=NOW)
    assert {name: said for name, said in status_facts(status).items() if said} == shown
    assert status_word(status) == word


class _Providers:
    """Knows one provider, whose circuit is open."""

    provider = provider_pb2.Provider(nickname="acme", status=to_status(stored(OPEN), now=NOW))

    def GetProvider(
        self, request: provider_pb2.GetProviderRequest, context: grpc.ServicerContext
    ) -> provider_pb2.GetProviderResponse:
        return provider_pb2.GetProviderResponse(provider=self.provider)

    def ListProviders(
        self, request: provider_pb2.ListProvidersRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ListProvidersResponse:
        return provider_pb2.ListProvidersResponse(providers=[self.provider])


def test_get_and_list_show_the_circuit_to_people_and_to_programs() -> None:
    with serving(providers=_Providers()) as address:
        one = espalier("provider", "get", "acme", "--address", address)
        as_json = espalier("provider", "get", "acme", "--json", "--address", address)
        table = espalier("provider", "list", "--address", address)
    assert "open until 2025-06-15 15:06:45 UTC" in one.stdout
    assert DOWN in one.stdout
    assert json.loads(as_json.stdout)["status"] == {
        "pause_reason": "",
        "circuit_state": "CIRCUIT_STATE_OPEN",
        "circuit_open_until": "2025-06-15T15:06:45Z",
        "consecutive_failures": 12,
        "last_failure": DOWN,
    }
    assert "open until 2025-06-15 15:06:45 UTC" in table.stdout


class _Campaigns:
    def GetCampaign(
        self, request: campaign_pb2.GetCampaignRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.GetCampaignResponse:
        return campaign_pb2.GetCampaignResponse(
            campaign=campaign_pb2.Campaign(
                campaign_id=request.campaign_id,
                state=campaign_pb2.CAMPAIGN_STATE_SENDING,
                state_reason=WAITING,
            )
        )


def test_a_campaign_that_waits_is_shown_with_the_reason() -> None:
    with serving(campaigns=_Campaigns()) as address:
        shown = espalier("campaign", "show", "7", "--address", address)
    lines = [line.split(maxsplit=1) for line in shown.stdout.splitlines()]
    assert ["State", "sending"] in lines
    assert ["Because", WAITING] in lines
