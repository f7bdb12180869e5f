"""What the demo does, step by step, each of them through the API as any client would."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

import aiohttp
import grpc

from entrypoints.cli.client import CALL_TIMEOUT, Client
from entrypoints.cli.failures import Failure, from_status
from entrypoints.cli.paging import whole_list
from entrypoints.cli.provider_file import read_provider_file
from entrypoints.cli.upload import upload
from entrypoints.demo.esp import Esp
from entrypoints.demo.failure import DemoFailed
from entrypoints.demo.files import BATCH, NICKNAME, SUBJECT, Workplace, suppressed_beforehand
from entrypoints.demo.report import Outcome, reported
from entrypoints.demo.view import CALLBACKS, SENDING, View
from espalier.v1 import campaign_pb2, common_pb2, provider_pb2, suppression_pb2

# Seconds that one step may take: far more than any does, so that only a hang meets it.
_STEP_WITHIN: Final = 60.0
_POLL: Final = 0.1
_WATCH_MILLISECONDS: Final = 100
# The most addresses of one AddSuppressions.
_AT_ONCE: Final = 1_000


class Scenario:
    """A campaign from its provider to its last callback; `play` does it all."""

    def __init__(
        self, *, address: str, client: Client, esp: Esp, place: Workplace, view: View
    ) -> None:
        self._address = address
        self._client = client
        self._esp = esp
        self._place = place
        self._view = view

    async def play(self, recipients: int) -> Outcome:
        """Send a campaign to so many recipients, and return what came of it.

        DemoFailed: a step went wrong, or the service and the ESP disagree in the end.
        """
        async with self._step("Configuring the provider, and where it calls back to"):
            await self._configure()
        before = suppressed_beforehand(recipients)
        if before:
            async with self._step(
                f"Suppressing {len(before):,} addresses, as if long unsubscribed"
            ):
                await self._suppress(before)
        async with self._step(
            f"Sending a campaign of {recipients:,} recipients, {BATCH:,} in a request"
        ):
            campaign = await self._send(recipients)
        async with self._step("Taking callbacks until all that the ESP has to say is counted"):
            outcome = await self._settle(campaign.campaign_id, len(before))
        if disagreement := outcome.disagreement():
            raise DemoFailed(disagreement)
        return outcome

    @asynccontextmanager
    async def _step(self, doing: str) -> AsyncIterator[None]:
        self._view.step(doing)
        try:
            async with asyncio.timeout(_STEP_WITHIN):
                yield
        except TimeoutError:
            raise DemoFailed(f"it was not done within {_STEP_WITHIN:g} s") from None
        except grpc.aio.AioRpcError as error:
            raise DemoFailed(str(from_status(error, self._address))) from error
        except (Failure, aiohttp.ClientError) as error:
            raise DemoFailed(str(error)) from error

    async def _configure(self) -> None:
        self._place.write_provider(f"{self._esp.url}/send")
        file = read_provider_file(self._place.provider, {})
        request = provider_pb2.ConfigureProviderRequest(provider=file.provider)
        response = await self._client.providers.ConfigureProvider(request, timeout=CALL_TIMEOUT)
        await self._esp.call_back_to(response.provider.callback_url)

    async def _suppress(self, addresses: list[str]) -> None:
        for start in range(0, len(addresses), _AT_ONCE):
            request = suppression_pb2.AddSuppressionsRequest(
                emails=addresses[start : start + _AT_ONCE], detail="Suppressed by the demo."
            )
            await self._client.suppressions.AddSuppressions(request, timeout=CALL_TIMEOUT)

    async def _send(self, recipients: int) -> campaign_pb2.Campaign:
        self._place.write_message(recipients)
        spec = common_pb2.CampaignSpec(
            request_id=str(uuid.uuid4()),
            provider=NICKNAME,
            name="Demo",
            subject=SUBJECT,
            html=self._place.html.read_text(encoding="utf-8"),
        )
        try:
            response = await asyncio.to_thread(upload, self._address, spec, self._place.recipients)
        except grpc.RpcError as error:
            raise from_status(cast(grpc.Call, error), self._address) from error
        return await self._watch(response.campaign.campaign_id)

    async def _watch(self, campaign_id: str) -> campaign_pb2.Campaign:
        request = campaign_pb2.WatchCampaignRequest(campaign_id=campaign_id)
        request.interval.FromMilliseconds(_WATCH_MILLISECONDS)
        campaign = campaign_pb2.Campaign()
        async for response in self._client.campaigns.WatchCampaign(request):
            campaign = response.campaign
            counts = campaign.counts
            waiting = counts.queued + counts.sending
            self._view.bar(SENDING, counts.total - waiting, counts.total)
            if campaign.state == campaign_pb2.CAMPAIGN_STATE_PAUSED:
                break
        if campaign.state != campaign_pb2.CAMPAIGN_STATE_COMPLETED:
            raise DemoFailed(f"the campaign was not completed: {campaign.state_reason}")
        return campaign

    async def _settle(self, campaign_id: str, suppressed_before: int) -> Outcome:
        request = campaign_pb2.GetCampaignRequest(campaign_id=campaign_id)
        while True:
            counted = await self._esp.counts()
            callbacks = counted["callbacks"]
            if callbacks["failed"] or callbacks["unprocessed"]:
                raise DemoFailed(
                    f"the service refused {callbacks['failed']:,} callbacks, and could not use "
                    f"{callbacks['unprocessed']:,}"
                )
            told = callbacks["acknowledged"]
            self._view.bar(CALLBACKS, told, told + callbacks["pending"])
            got = await self._client.campaigns.GetCampaign(request, timeout=CALL_TIMEOUT)
            by_type = callbacks["acknowledged_by_type"]
            heard = reported(got.campaign.counts)
            if not callbacks["pending"] and heard == {kind: by_type.get(kind, 0) for kind in heard}:
                break
            await asyncio.sleep(_POLL)
        suppressions = await whole_list(
            self._client.suppressions.ListSuppressions,
            suppression_pb2.ListSuppressionsRequest(),
            "suppressions",
        )
        return Outcome(
            campaign=got.campaign,
            esp=counted,
            suppressed_since=len(suppressions) - suppressed_before,
        )
