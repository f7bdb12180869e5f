from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest

from entrypoints.cli.resuming import resumed
from espalier.v1 import campaign_pb2
from tests.entrypoints.cli_server import espalier, serving, try_later


def _response(
    state: campaign_pb2.CampaignState.ValueType, reason: str = ""
) -> campaign_pb2.WatchCampaignResponse:
    return campaign_pb2.WatchCampaignResponse(
        campaign=campaign_pb2.Campaign(campaign_id="7", state=state, state_reason=reason)
    )


class _Interrupted:
    """Breaks the first watch off after one response, as a service does that restarts."""

    def __init__(self) -> None:
        self.calls = 0

    def WatchCampaign(
        self, request: campaign_pb2.WatchCampaignRequest, context: grpc.ServicerContext
    ) -> Iterator[campaign_pb2.WatchCampaignResponse]:
        self.calls += 1
        if self.calls == 1:
            yield _response(campaign_pb2.CAMPAIGN_STATE_SENDING)
        if self.calls < 3:
            try_later(context, "The service is shutting down.", seconds=0.01)
        yield _response(campaign_pb2.CAMPAIGN_STATE_COMPLETED)


class _Idle:
    """Has a campaign that stands still, until the watch is ended by the client."""

    def __init__(self) -> None:
        self.watched = threading.Event()

    def WatchCampaign(
        self, request: campaign_pb2.WatchCampaignRequest, context: grpc.ServicerContext
    ) -> Iterator[campaign_pb2.WatchCampaignResponse]:
        ended = threading.Event()
        context.add_callback(ended.set)
        yield _response(campaign_pb2.CAMPAIGN_STATE_SENDING, "The provider asks for a pause.")
        self.watched.set()
        ended.wait(timeout=60)


def test_a_watch_outlives_a_restart_of_the_service() -> None:
    servicer = _Interrupted()
    with serving(campaigns=servicer) as address:
        result = espalier("campaign", "watch", "7", "--address", address)
    assert (result.exit_code, servicer.calls) == (0, 3)
    assert result.stderr.splitlines() == [
        "Campaign 7 is sending.",
        "The stream broke off (The service is shutting down.). Trying again.",
        "Campaign 7 is completed.",
    ]


def test_ctrl_c_ends_the_watch_and_says_that_the_campaign_goes_on() -> None:
    servicer = _Idle()
    with serving(campaigns=servicer) as address:
        process = subprocess.Popen(
            [sys.executable, "-m", "entrypoints.main", "campaign", "watch", "7"],
            env={"ESPALIER_ADDRESS": address},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert servicer.watched.wait(timeout=60)
        assert process.stderr is not None
        # It has the response once it says so, and is in the middle of the watch then.
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert first == "Campaign 7 is sending: The provider asks for a pause.\n"
    assert process.returncode == 130
    assert "campaign 7 goes on" in said
    assert "espalier campaign watch 7" in said
    assert "espalier campaign pause 7" in said
    assert "Traceback" not in said


class _Gone:
    """A stream of the client's side: it answers once, and then never again."""

    def __init__(self) -> None:
        self.opened = 0

    async def __call__(self) -> AsyncIterator[str]:
        self.opened += 1
        if self.opened == 1:
            yield "first"
        raise grpc.aio.AioRpcError(
            grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "Gone."
        )


async def test_patience_with_a_service_that_stays_away_has_an_end() -> None:
    gone = _Gone()
    stream = resumed(gone, patience=0)
    assert await anext(stream) == "first"
    with pytest.raises(grpc.aio.AioRpcError):
        await anext(stream)
    assert gone.opened == 1
