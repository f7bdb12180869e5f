"""Signed callbacks as an ESP sends them, to a service whose callback processes share the work."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
import pytest

from espalier.v1 import provider_pb2
from tests.e2e.api import api_at
from tests.e2e.serving import Served, environment, serving

KEYS = ("the key of last year", "the key of this year")
_MESSAGE = (
    '{"to": "$$To", "mid": "$$MessageID", "name": "$$FromName", "from": "$$FromAddress",'
    ' "subject": "$$Subject", "html": "$$HTML"}'
)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    settings = environment(tmp_path, ESPALIER_CALLBACK_PROCESSES="2")
    async with serving(settings) as made:
        await made.ready()
        yield made


def webhook() -> provider_pb2.WebhookMapping:
    signature = provider_pb2.Signature(
        scheme=provider_pb2.SIGNATURE_SCHEME_HMAC,
        secrets=KEYS,
        signature="headers.signature",
        timestamp="headers.at",
    )
    rule = provider_pb2.TypeRule(pattern="*", type=provider_pb2.WEBHOOK_TYPE_DELIVERED)
    return provider_pb2.WebhookMapping(
        type="event.kind", types=[rule], email="event.to", meta="event.mid", signatures=[signature]
    )


async def callback_url(served: Served) -> str:
    provider = provider_pb2.Provider(
        nickname="acme",
        request_type=provider_pb2.REQUEST_TYPE_POST,
        http_endpoint="http://127.0.0.1:9/",
        parameters=_MESSAGE,
        webhook=webhook(),
    )
    async with api_at(served.grpc_address) as api:
        request = provider_pb2.ConfigureProviderRequest(provider=provider)
        answer = await api.providers.ConfigureProvider(request)
    assert answer.provider.webhook.signatures[0].secrets_set == len(KEYS)
    return answer.provider.callback_url


def signed(body: bytes, *, key: str = KEYS[1], at: float | None = None) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    digest = hmac.new(key.encode(), timestamp.encode() + body, hashlib.sha256).hexdigest()
    return {"At": timestamp, "Signature": digest}


async def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, int]:
    """On a connection of its own, which any of the processes may take: status and events."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers) as answer,
    ):
        said = orjson.loads(await answer.read())
        return answer.status, said.get("TOTAL_EVENTS", 0)


def event(number: int) -> bytes:
    return orjson.dumps({"kind": "delivered", "to": "a@example.com", "mid": "?", "n": number})


async def test_only_what_is_signed_is_read_and_a_replay_is_known_by_every_process(
    served: Served,
) -> None:
    url = await callback_url(served)
    assert await post(url, event(0), signed(event(0), key=KEYS[0])) == (200, 1)
    assert await post(url, event(1), signed(event(1), key=KEYS[1])) == (200, 1)
    assert await post(url, event(1), {}) == (401, 0)
    assert await post(url, event(1), signed(event(1), key="another")) == (401, 0)
    assert await post(url, event(2), signed(event(1))) == (401, 0)
    assert await post(url, event(2), signed(event(2), at=time.time() - 400)) == (401, 0)

    headers = signed(event(3))
    assert await post(url, event(3), headers) == (200, 1)
    # Enough connections that each of the processes has some of them.
    replays = await asyncio.gather(*(post(url, event(3), headers) for _ in range(16)))
    assert set(replays) == {(200, 0)}
