"""How fast and in how much memory a service accepts recipients by SendCampaignStream.

Every figure is of a service of its own (`espalier serve` on a fresh SQLite file, one that sends
nothing: the campaign is scheduled for later), fed by this process over loopback. The floor is the
same stream into a servicer that reads every field and keeps nothing. Peak memory is VmHWM of the
service's process, so this needs Linux. Run it with `python -m tests.benchmarks.accept`.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from domain.provider_rules import check
from entrypoints.convert.campaign import read_recipients
from entrypoints.convert.provider import read_provider
from espalier.v1 import campaign_pb2, campaign_pb2_grpc, common_pb2, provider_pb2, provider_pb2_grpc
from tests.benchmarks import verdict
from tests.support import free_port

FEW, MANY = 100_000, 1_000_000
# Memory must not grow with the campaign: so many times the peak of a tenth is good enough.
MOST_MEMORY = 1.2
ROUNDS = 5
_CHUNK = 1000
_SERVICE = "espalier.v1.CampaignService"
_TEMPLATE = (
    '{"to": "$$To", "mid": "$$MessageID", "from": "$$FromName", "address": "$$FromAddress",'
    ' "subject": "$$Subject", "html": "$$HTML", "code": "$$code"}'
)


async def read_only(
    requests: AsyncIterator[campaign_pb2.SendCampaignStreamRequest], _: object
) -> campaign_pb2.SendCampaignStreamResponse:
    """Reads what comes, as the service must, and forgets it."""
    async for request in requests:
        read_recipients(request.recipients.recipients)
    return campaign_pb2.SendCampaignStreamResponse()


def requests(number: int, name: str) -> Iterator[campaign_pb2.SendCampaignStreamRequest]:
    later = Timestamp(seconds=int(time.time()) + 86_400)
    yield campaign_pb2.SendCampaignStreamRequest(
        campaign=common_pb2.CampaignSpec(
            request_id=name,
            provider="bench",
            subject="Hello",
            from_name="Bench",
            from_address="bench@example.com",
            html="<p>Your code is $$code</p>",
            send_at=later,
        )
    )
    for first in range(0, number, _CHUNK):
        request = campaign_pb2.SendCampaignStreamRequest()
        for i in range(first, first + _CHUNK):
            recipient = request.recipients.recipients.add(email=f"person{i}@example.com")
            recipient.replacements["code"] = f"C-{i}"
        yield request


async def send(address: str, number: int) -> float:
    """Seconds from the first message of the stream to the answer."""
    # Made beforehand: what the client costs is not what is measured.
    ready = list(requests(number, f"bench-{number}"))
    async with grpc.aio.insecure_channel(address) as channel:
        stub = campaign_pb2_grpc.CampaignServiceStub(channel)
        started = time.perf_counter()
        await stub.SendCampaignStream(iter(ready))
        return time.perf_counter() - started


async def service(number: int) -> tuple[float, float]:
    """Seconds, and MiB at the peak, of a service of its own."""
    with TemporaryDirectory() as folder:
        address = f"127.0.0.1:{free_port()}"
        environ = {
            **os.environ,
            "ESPALIER_DATA_DIR": folder,
            "ESPALIER_GRPC_ADDRESS": address,
            "ESPALIER_CALLBACK_ADDRESS": f"127.0.0.1:{free_port()}",
            "ESPALIER_DISPATCHERS": "1",
            "ESPALIER_LOG_LEVEL": "error",
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "entrypoints.main", "serve"), env=environ
        )
        try:
            await configure(address)
            seconds = await send(address, number)
            return seconds, peak_mib(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def configure(address: str, *, webhook: provider_pb2.WebhookMapping | None = None) -> None:
    provider = provider_pb2.Provider(
        nickname="bench",
        request_type=provider_pb2.REQUEST_TYPE_POST,
        http_endpoint="http://127.0.0.1:9/",
        parameters=_TEMPLATE,
        webhook=webhook,
    )
    violations, _ = check(read_provider(provider).config)
    if violations:
        raise SystemExit(f"the benchmark's provider is refused: {violations}")
    async with grpc.aio.insecure_channel(address) as channel:
        stub = provider_pb2_grpc.ProviderServiceStub(channel)
        request = provider_pb2.ConfigureProviderRequest(provider=provider)
        await stub.ConfigureProvider(request, wait_for_ready=True)


async def floor(number: int) -> float:
    server = grpc.aio.server()
    reader = grpc.stream_unary_rpc_method_handler(
        read_only,
        campaign_pb2.SendCampaignStreamRequest.FromString,
        campaign_pb2.SendCampaignStreamResponse.SerializeToString,
    )
    handlers = grpc.method_handlers_generic_handler(_SERVICE, {"SendCampaignStream": reader})
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        return await send(f"127.0.0.1:{port}", number)
    finally:
        await server.stop(None)


def peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


async def measure() -> bool:
    peaks: dict[int, float] = {}
    for number in (FEW, MANY):
        ours = [await service(number) for _ in range(ROUNDS)]
        floors = [await floor(number) for _ in range(ROUNDS)]
        seconds, read = median(s for s, _ in ours), median(floors)
        peak = peaks[number] = median(mib for _, mib in ours)
        print(
            f"accept {number:>9,}: {number / seconds:>9,.0f}/s, read and forgotten "
            f"{number / read:>9,.0f}/s, ratio {read / seconds:.2f}; peak {peak:.0f} MiB",
            flush=True,
        )
    return keeps_memory(peaks[FEW], peaks[MANY])


def keeps_memory(few_mib: float, many_mib: float) -> bool:
    """Tell the ratio of the peaks with its limit; whether it is within that."""
    ratio = many_mib / few_mib
    met = ratio <= MOST_MEMORY
    print(
        f"memory of accepting {MANY:,}, beside {FEW:,}: ratio {ratio:.3f} (at most {MOST_MEMORY}) "
        f"{verdict(met)}",
        flush=True,
    )
    return met


def main() -> bool:
    """Whether every limit is met."""
    return asyncio.run(measure())


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
