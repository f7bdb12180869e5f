"""What no input may do to a running service: end it, or leave half of itself behind."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import grpc.aio
import pytest

from espalier.v1 import (
    campaign_pb2,
    campaign_pb2_grpc,
    common_pb2,
    event_pb2,
    event_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
)
from tests.e2e.serving import Served, environment, serving

TEMPLATE = (
    '{"to": "$$To", "mid": "$$MessageID", "name": "$$FromName", "from": "$$FromAddress",'
    ' "subject": "$$Subject", "html": "$$HTML"}'
)
GIGABYTE = 2**30


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(environment(tmp_path)) as made:
        yield made


async def configure(channel: grpc.aio.Channel, parameters: str) -> provider_pb2.Provider:
    stub = provider_pb2_grpc.ProviderServiceStub(channel)
    provider = provider_pb2.Provider(
        nickname="acme",
        request_type=provider_pb2.REQUEST_TYPE_POST,
        http_endpoint="http://127.0.0.1:9/send",
        parameters=parameters,
    )
    request = provider_pb2.ConfigureProviderRequest(provider=provider)
    return (await stub.ConfigureProvider(request)).provider


async def stored(channel: grpc.aio.Channel) -> tuple[int, int, int]:
    """How many providers, campaigns and events there are."""
    providers = provider_pb2_grpc.ProviderServiceStub(channel)
    campaigns = campaign_pb2_grpc.CampaignServiceStub(channel)
    events = event_pb2_grpc.EventServiceStub(channel)
    return (
        len((await providers.ListProviders(provider_pb2.ListProvidersRequest())).providers),
        len((await campaigns.ListCampaigns(campaign_pb2.ListCampaignsRequest())).campaigns),
        len((await events.ListEvents(event_pb2.ListEventsRequest())).events),
    )


async def test_a_call_of_a_gigabyte_is_refused_and_the_service_goes_on(served: Served) -> None:
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        raw: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/espalier.v1.CampaignService/SendCampaign"
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(bytes(GIGABYTE))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await stored(channel) == (0, 0, 0)


async def test_a_template_that_is_a_number_is_refused_with_its_place(served: Served) -> None:
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await configure(channel, "42")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "provider.parameters" in (caught.value.details() or "")
        assert await stored(channel) == (0, 0, 0)


async def test_a_recipient_without_an_address_refuses_the_whole_call(served: Served) -> None:
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        await configure(channel, TEMPLATE)
        stub = campaign_pb2_grpc.CampaignServiceStub(channel)
        request = campaign_pb2.SendCampaignRequest(
            campaign=common_pb2.CampaignSpec(
                request_id="r",
                provider="acme",
                subject="s",
                from_name="A",
                from_address="a@example.com",
                html="<p>",
            ),
            recipients=[common_pb2.Recipient(email="p@example.com"), common_pb2.Recipient()],
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.SendCampaign(request)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "recipients[1].email" in (caught.value.details() or "")
        assert await stored(channel) == (1, 0, 0)


async def pieces(total: int) -> AsyncIterator[bytes]:
    piece = bytes(1024 * 1024)
    for _ in range(total // len(piece)):
        yield piece


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 10_000 + b"]" * 10_000, id="nested arrays, 10,000 deep"),
        pytest.param(b'{"version": "v2", "events": {"a": [\xff\xfe]}}', id="invalid UTF-8"),
        pytest.param(b"", id="nothing"),
        pytest.param(None, id="100 MB"),
    ],
)
async def test_a_callback_that_is_none_is_answered_400_and_nothing_is_stored(
    served: Served, body: bytes | None
) -> None:
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        url = (await configure(channel, TEMPLATE)).callback_url
        data = pieces(100 * 1024 * 1024) if body is None else body
        async with aiohttp.ClientSession() as session:
            try:
                async with session.post(url, data=data) as answer:
                    assert answer.status == 400
                    assert "Some mandatory parameter was missing." in await answer.text()
            except aiohttp.ClientConnectionError:
                # The service hung up on a body that it had refused; a smaller one gets its answer.
                assert body is None
        assert await served.status("/readyz") == 200
        assert await stored(channel) == (1, 0, 0)


async def test_a_file_with_a_broken_line_700_001_sends_nothing_of_itself(
    served: Served, tmp_path: Path
) -> None:
    people, body = tmp_path / "people.csv", tmp_path / "body.html"
    with people.open("w") as file:
        file.write("email,name\n")
        # Line 700,001 of the file; the header is line 1.
        file.writelines(f"p{i}@example.com,P\n" for i in range(699_999))
        file.write("broken@example.com,one,too many\nlast@example.com,L\n")
    body.write_text("<p>")
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        await configure(channel, TEMPLATE)
        send = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "entrypoints.main", "send", "--provider", "acme"),
            *("--address", served.grpc_address, "--recipients", str(people)),
            *("--subject", "s", "--html", str(body)),
            *("--from-name", "A", "--from-address", "a@example.com"),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await send.communicate()
        assert send.returncode == 2
        assert f"{people}:700001:" in said.decode()
        assert await stored(channel) == (1, 0, 0)
