"""What the demo says when something goes wrong, over a service and an ESP of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import aiohttp
import grpc
import pytest
from aiohttp import web

from domain.errors import InvalidRequest, Violation
from entrypoints.cli.client import Client
from entrypoints.demo.esp import Esp
from entrypoints.demo.failure import DemoFailed
from entrypoints.demo.files import Workplace
from entrypoints.demo.scenario import Scenario
from entrypoints.demo.view import View
from espalier.v1 import campaign_pb2, provider_pb2, suppression_pb2
from tests.entrypoints.cli_server import refuse_as_the_service_does, serving

# The ESP's counts where all went well with three messages.
_WELL: Final[dict[str, dict[str, Any]]] = {
    "requests": {"requests": 1},
    "messages": {"accepted": 3, "accepted_more_than_once": 0},
    "callbacks": {
        "failed": 0,
        "unprocessed": 0,
        "pending": 0,
        "acknowledged": 3,
        "acknowledged_by_type": {"delivered": 2, "hard_bounce": 1},
    },
}


class _Service:
    """Takes everything; its campaign ends in `state`. With `refuses` it takes no provider."""

    def __init__(
        self,
        state: campaign_pb2.CampaignState.ValueType = campaign_pb2.CAMPAIGN_STATE_COMPLETED,
        *,
        refuses: bool = False,
    ) -> None:
        self._refuses = refuses
        self._campaign = campaign_pb2.Campaign(
            campaign_id="1",
            state=state,
            state_reason="The ESP answered 401.",
            counts=campaign_pb2.MessageCounts(total=3, delivered=1, clicked=1, hard_bounced=1),
        )

    def ConfigureProvider(
        self, request: provider_pb2.ConfigureProviderRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureProviderResponse:
        if self._refuses:
            fault = Violation(field="provider.http_endpoint", reason="X", message="is too far away")
            refuse_as_the_service_does(context, InvalidRequest([fault]))
        return provider_pb2.ConfigureProviderResponse(provider=request.provider)

    def SendCampaignStream(
        self,
        requests: Iterator[campaign_pb2.SendCampaignStreamRequest],
        context: grpc.ServicerContext,
    ) -> campaign_pb2.SendCampaignStreamResponse:
        for _ in requests:
            pass
        return campaign_pb2.SendCampaignStreamResponse(campaign=self._campaign)

    def WatchCampaign(
        self, request: campaign_pb2.WatchCampaignRequest, context: grpc.ServicerContext
    ) -> Iterator[campaign_pb2.WatchCampaignResponse]:
        yield campaign_pb2.WatchCampaignResponse(campaign=self._campaign)

    def GetCampaign(
        self, request: campaign_pb2.GetCampaignRequest, context: grpc.ServicerContext
    ) -> campaign_pb2.GetCampaignResponse:
        return campaign_pb2.GetCampaignResponse(campaign=self._campaign)

    def ListSuppressions(
        self, request: suppression_pb2.ListSuppressionsRequest, context: grpc.ServicerContext
    ) -> suppression_pb2.ListSuppressionsResponse:
        return suppression_pb2.ListSuppressionsResponse()


@asynccontextmanager
async def _esp(counts: Any, *, status: int = 200) -> AsyncIterator[Esp]:
    """An ESP that tells these counts, and answers `status` when it is told where to call back."""

    async def behave(request: web.Request) -> web.Response:
        return web.json_response({}, status=status)

    async def count(request: web.Request) -> web.Response:
        return web.json_response(counts)

    app = web.Application()
    app.router.add_put("/_simulator/behaviour", behave)
    app.router.add_get("/_simulator/counts", count)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with aiohttp.ClientSession() as session:
            yield Esp(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


async def _failure(
    folder: Path, service: _Service, counts: Any = _WELL, *, status: int = 200
) -> tuple[str, str]:
    """The step at which the demo fails, and why."""
    view = View()
    with serving(providers=service, campaigns=service, suppressions=service) as address:
        async with (
            grpc.aio.insecure_channel(address) as channel,
            _esp(counts, status=status) as esp,
        ):
            scenario = Scenario(
                address=address,
                client=Client(channel),
                esp=esp,
                place=Workplace(folder=folder),
                view=view,
            )
            with pytest.raises(DemoFailed) as caught:
                await scenario.play(3)
    return view.doing, str(caught.value)


def _counts(part: str, **changes: int) -> Any:
    changed = deepcopy(_WELL)
    changed[part].update(changes)
    return changed


async def test_a_provider_that_is_refused_is_told_with_the_fault(tmp_path: Path) -> None:
    step, why = await _failure(tmp_path, _Service(refuses=True))
    assert step == "Configuring the provider, and where it calls back to"
    assert why == "Invalid argument:\n  provider.http_endpoint: is too far away"


async def test_an_esp_that_refuses_its_callback_url_is_told_with_its_answer(tmp_path: Path) -> None:
    step, why = await _failure(tmp_path, _Service(), status=503)
    assert step == "Configuring the provider, and where it calls back to"
    assert "503" in why
    assert "/_simulator/behaviour" in why


@pytest.mark.parametrize(
    "state", [campaign_pb2.CAMPAIGN_STATE_PAUSED, campaign_pb2.CAMPAIGN_STATE_FAILED]
)
async def test_a_campaign_that_is_not_completed_is_told_with_the_reason(
    tmp_path: Path, state: campaign_pb2.CampaignState.ValueType
) -> None:
    step, why = await _failure(tmp_path, _Service(state))
    assert step == "Sending a campaign of 3 recipients, 1,000 in a request"
    assert why == "the campaign was not completed: The ESP answered 401."


async def test_callbacks_that_the_service_does_not_take_are_counted(tmp_path: Path) -> None:
    counts = _counts("callbacks", failed=1_200, unprocessed=3)
    step, why = await _failure(tmp_path, _Service(), counts)
    assert step == "Taking callbacks until all that the ESP has to say is counted"
    assert why == "the service refused 1,200 callbacks, and could not use 3"


async def test_counts_that_differ_are_told_side_by_side(tmp_path: Path) -> None:
    counts = _counts("messages", accepted=4, accepted_more_than_once=1)
    _, why = await _failure(tmp_path, _Service(), counts)
    assert why == "the service counts 3 accepted messages, the ESP 4, 1 of them twice"
