"""Streaming a campaign with its recipients to the service.

This is gRPC's synchronous client, unlike everywhere else here: when the service refuses a stream
before its end, a write of the asyncio client fails and hides the service's answer behind an
"Internal error from Core".
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import grpc

from entrypoints.cli.client import CHANNEL_OPTIONS
from entrypoints.cli.failures import Failure
from entrypoints.cli.reaching import PATIENCE, reach_blocking
from entrypoints.cli.recipients import read_chunks
from espalier.v1 import campaign_pb2, campaign_pb2_grpc, common_pb2


def upload(
    address: str, spec: common_pb2.CampaignSpec, recipients: Path
) -> campaign_pb2.SendCampaignStreamResponse:
    """Stream the campaign and return the answer.

    Failure: a line of the file is not valid; the stream was broken off, and the service keeps
    nothing of it. grpc.RpcError, which is a grpc.Call too: the service refused or was lost.
    """
    with grpc.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        reach_blocking(channel, address, PATIENCE)
        requests = _Requests(spec, recipients)
        stub = campaign_pb2_grpc.CampaignServiceStub(cast(Any, channel))
        call = cast(Any, stub.SendCampaignStream).future(requests.produce())
        requests.belong_to(call)
        try:
            return cast(campaign_pb2.SendCampaignStreamResponse, call.result())
        except grpc.FutureCancelledError:
            if requests.failure is None:
                raise
            raise requests.failure from None
        finally:
            call.cancel()


class _Requests:
    """The messages of one stream; gRPC asks for them in a thread of its own."""

    def __init__(self, spec: common_pb2.CampaignSpec, recipients: Path) -> None:
        self._spec = spec
        self._recipients = recipients
        self._call: Any = None
        self._has_call = threading.Event()
        self.failure: Failure | None = None

    def belong_to(self, call: object) -> None:
        self._call = call
        self._has_call.set()

    def produce(self) -> Iterator[campaign_pb2.SendCampaignStreamRequest]:
        yield campaign_pb2.SendCampaignStreamRequest(campaign=self._spec)
        try:
            for chunk in read_chunks(self._recipients):
                yield campaign_pb2.SendCampaignStreamRequest(
                    recipients=campaign_pb2.RecipientChunk(recipients=chunk)
                )
        except Failure as failure:
            # Cancelled before it ends: an ended stream would be a whole campaign.
            self.failure = failure
            self._has_call.wait()
            self._call.cancel()
