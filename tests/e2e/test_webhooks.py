"""An ESP's own webhook at a running service: signed, mapped, stored, listed and read again."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
import orjson

from espalier.v1 import common_pb2, event_pb2, event_pb2_grpc, provider_pb2
from tests.e2e.api import Api, api_at, people
from tests.e2e.serving import environment, serving
from tests.e2e.watched_esp import watched_esp
from tests.support import eventually

KEY = "a shared key"
OPENED = common_pb2.EVENT_TYPE_NOTIFICATION_OPENED
UNKNOWN = common_pb2.EVENT_TYPE_NOTIFICATION_UNKNOWN


def mapping(**types: "provider_pb2.WebhookType.ValueType") -> provider_pb2.WebhookMapping:
    rules = {
        "gone": provider_pb2.WEBHOOK_TYPE_HARD_BOUNCE,
        "seen": provider_pb2.WEBHOOK_TYPE_OPENED,
    }
    return provider_pb2.WebhookMapping(
        events="body.list",
        type="event.what",
        types=[
            provider_pb2.TypeRule(pattern=pattern, type=type_)
            for pattern, type_ in {**rules, **types}.items()
        ],
        email="event.who",
        meta="event.tags.mid",
        description="event.why",
        signatures=[
            provider_pb2.Signature(
                scheme=provider_pb2.SIGNATURE_SCHEME_HMAC, secrets=[KEY], header="X-Signature"
            )
        ],
    )


async def configure(api: Api, url: str, webhook: provider_pb2.WebhookMapping) -> str:
    """The callback URL."""
    provider = await api.configure(url)
    provider.webhook.CopyFrom(webhook)
    provider.ClearField("callback_url")
    request = provider_pb2.ConfigureProviderRequest(provider=provider)
    return (await api.providers.ConfigureProvider(request)).provider.callback_url


async def post(url: str, events: Sequence[Mapping[str, Any]], *, key: str = KEY) -> int:
    body = orjson.dumps({"list": events})
    headers = {"X-Signature": hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers) as answer,
    ):
        return answer.status


async def listed(
    stub: event_pb2_grpc.EventServiceStub, *types: "common_pb2.EventType.ValueType"
) -> list[event_pb2.Event]:
    where = event_pb2.EventFilter(types=types)
    return list((await stub.ListEvents(event_pb2.ListEventsRequest(filter=where))).events)


async def test_webhooks_in_an_esps_own_words_become_events_and_states(tmp_path: Path) -> None:
    async with (
        watched_esp() as esp,
        serving(environment(tmp_path)) as served,
        api_at(served.grpc_address) as api,
        grpc.aio.insecure_channel(served.grpc_address) as channel,
    ):
        stub = event_pb2_grpc.EventServiceStub(channel)
        url = await configure(api, esp.url, mapping())
        campaign = await api.send("mapped", 3)
        await eventually(lambda: api.has_ended(campaign), 60)
        sent = await listed(stub, common_pb2.EVENT_TYPE_NOTIFICATION_SENT)
        events = [
            {"what": what, "who": event.recipient, "tags": {"mid": event.message_id}, "why": "w"}
            for what, event in zip(("gone", "seen", "moved"), sent, strict=True)
        ]

        assert await post(url, events, key="another key") == 401
        assert await listed(stub, OPENED) == []
        assert await post(url, events) == 200
        assert await post(url, events) == 200

        (seen,) = await listed(stub, OPENED)
        assert (seen.callback_type, seen.description) == ("opened", "w")
        assert [event.recipient for event in await listed(stub, UNKNOWN)] == [sent[2].recipient]

        async def is_folded() -> bool:
            return await api.counts(campaign) == {"accepted": 2, "hard_bounced": 1}

        await eventually(is_folded, 30)

        await configure(api, esp.url, mapping(moved=provider_pb2.WEBHOOK_TYPE_SPAM))
        replay = event_pb2.ReplayCallbacksRequest(provider="acme")
        replayed = await stub.ReplayCallbacks(replay)
        assert (replayed.requests, replayed.processed_events) == (2, 6)

        async def is_moved() -> bool:
            counts = await api.counts(campaign)
            return counts == {"accepted": 1, "complained": 1, "hard_bounced": 1}

        await eventually(is_moved, 30)
        assert len(await listed(stub, OPENED)) == 1
        assert {event.recipient for event in sent} == set(people("mapped", 3))
