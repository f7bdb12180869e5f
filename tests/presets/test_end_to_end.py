"""All presets at once through a running service: out to an ESP on this machine, and back."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import aiohttp
from aiohttp import web

from domain.webhook_request import WebhookRequest
from entrypoints.cli.provider_file import read_provider_text
from entrypoints.presets.filling import fill
from espalier.v1 import campaign_pb2, common_pb2, provider_pb2
from tests.e2e.api import Api, api_at
from tests.e2e.serving import environment, serving
from tests.presets.sample import NAMES, PRESETS, URL, request_of, sample, webhook_request
from tests.presets.signing import SIGNERS
from tests.support import eventually

_MESSAGE_ID = re.compile(rb"[0-9a-f]{52}")
# What SNS signs is believed only with a certificate from AWS.
_SILENT = {"amazon-ses", "amazon-ses-bulk"}
_STATES = {"DELIVERED": "delivered", "HARD_BOUNCE": "hard_bounced"}


async def test_every_preset_sends_and_hears_of_it(tmp_path: Path) -> None:
    async with (
        _esps() as (url, bodies),
        serving(environment(tmp_path)) as served,
        api_at(served.grpc_address) as api,
    ):
        callbacks = {name: await _configure(api, name, url) for name in NAMES}
        campaigns = {name: await _send(api, name) for name in NAMES}

        async def all_have_ended() -> bool:
            return all([await api.has_ended(campaign) for campaign in campaigns.values()])

        await eventually(all_have_ended, 30)
        assert await _counts(api, campaigns) == {name: {"accepted": 1} for name in NAMES}
        assert await _shaken(callbacks) == {
            "elastic-email": 200,
            "mandrill": 200,
            "unisender-go": 200,
        }
        refused = await _call_back(callbacks, bodies, is_right=False)
        assert {name for name, status in refused.items() if status == 401} == set(SIGNERS)
        told = await _call_back(callbacks, bodies, is_right=True)
        assert told == {name: 200 for name in NAMES if name not in _SILENT}

        async def all_have_heard() -> bool:
            counts = await _counts(api, campaigns)
            return counts == {name: {_state(name): 1} for name in NAMES}

        await eventually(all_have_heard)


async def _configure(api: Api, name: str, url: str) -> str:
    """Through the preset, but with an endpoint of this machine; the path of the callback URL."""
    signer = SIGNERS.get(name)
    settings = {**sample(name)["settings"], **(signer.settings if signer else {})}
    filled = fill(PRESETS[name], settings, {})
    provider = read_provider_text(filled.text, Path(name), filled.environment).provider
    provider.http_endpoint = f"{url}/{name}"
    if name.startswith("mandrill"):
        # The service must be told by which URL Mandrill knows it.
        provider.webhook.signatures[0].url = URL
    request = provider_pb2.ConfigureProviderRequest(provider=provider)
    return (await api.providers.ConfigureProvider(request)).provider.callback_url


async def _send(api: Api, name: str) -> str:
    spec = common_pb2.CampaignSpec(
        request_id=name,
        provider=name,
        subject="Hello",
        from_name="Acme, Inc.",
        from_address="deals@acme.example",
        html="<p>Hello</p>",
    )
    recipient = common_pb2.Recipient(email="ada@example.com", name="Lovelace, Ada")
    request = campaign_pb2.SendCampaignRequest(campaign=spec, recipients=[recipient])
    return (await api.campaigns.SendCampaign(request)).campaign.campaign_id


async def _counts(api: Api, campaigns: Mapping[str, str]) -> dict[str, dict[str, int]]:
    return {name: await api.counts(campaign) for name, campaign in campaigns.items()}


async def _shaken(callbacks: Mapping[str, str]) -> dict[str, int]:
    """What those are answered that try a URL before they use it."""
    tried = {"elastic-email": "GET", "mandrill": "HEAD", "unisender-go": "GET"}
    answered = {}
    async with aiohttp.ClientSession() as session:
        for name, method in tried.items():
            async with session.request(method, callbacks[name]) as answer:
                answered[name] = answer.status
    return answered


async def _call_back(
    callbacks: Mapping[str, str], bodies: Mapping[str, bytes], *, is_right: bool
) -> dict[str, int]:
    """The statuses with which the service answers each ESP, with the right keys or with others.

    Those that sign nothing call with the right ones alone.
    """
    answered = {}
    async with aiohttp.ClientSession() as session:
        for name in NAMES:
            found = _MESSAGE_ID.search(unquote_to_bytes(bodies[name]))
            # This one knows its messages by their addresses within a transaction.
            assert (found is None) is (name == "elastic-email-bulk")
            if name in _SILENT or not (is_right or name in SIGNERS):
                continue
            request = _webhook(name, found[0] if found else b"", is_right)
            answered[name] = await _called(session, callbacks[name], request)
    return answered


async def _called(session: aiohttp.ClientSession, url: str, request: WebhookRequest) -> int:
    headers = {"Content-Type": "application/json", **_titled(request.headers)}
    # What has no body comes by GET.
    method = "POST" if request.body else "GET"
    async with session.request(
        method, url, params=dict(request.query), data=request.body or None, headers=headers
    ) as answer:
        return answer.status


def _titled(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.title(): value for name, value in headers.items()}


def _webhook(name: str, message_id: bytes, is_right: bool) -> WebhookRequest:
    if name == "generic-v2":
        event = {"type": "delivered", "email": "ada@example.com", "meta": message_id.decode()}
        return request_of(json.dumps({"version": "v2", "events": {"success": [event]}}).encode())
    request = webhook_request(name, _event(name))
    signer = SIGNERS.get(name)
    if signer is None:
        query = {k: v.replace("mid-0", message_id.decode()) for k, v in request.query.items()}
        return request_of(request.body.replace(b"mid-0", message_id), request.headers, query)
    body = request.body
    # These two put what they sign into a body of their own.
    if name == "mailgun":
        body = json.dumps(json.loads(body)["event-data"]).encode()
    if name.startswith("mandrill"):
        body = json.dumps([{**sample(name)["base"], **_event(name)["event"]}]).encode()
    return signer.sign(body.replace(b"mid-0", message_id), time.time(), is_right)


def _event(name: str) -> Mapping[str, Any]:
    events: list[Mapping[str, Any]] = sample(name)["events"]
    return next(event for event in events if event["is"] in _STATES)


def _state(name: str) -> str:
    if name in _SILENT:
        return "accepted"
    return "delivered" if name == "generic-v2" else _STATES[_event(name)["is"]]


@asynccontextmanager
async def _esps() -> AsyncIterator[tuple[str, dict[str, bytes]]]:
    """Answers as each ESP does that takes a message, and keeps the body of its last request."""
    bodies: dict[str, bytes] = {}

    async def take(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        bodies[name] = await request.read()
        taken = sample(name)["answers"][0]
        body = json.dumps(taken["body"]) if "body" in taken else ""
        return web.Response(status=taken["status"], headers=taken.get("headers"), text=body)

    app = web.Application()
    app.router.add_post("/{name}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}", bodies
    finally:
        await asyncio.shield(runner.cleanup())
