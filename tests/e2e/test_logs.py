"""What the processes of a service write: one object of JSON to a line, and the course of things."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from espalier.v1 import campaign_pb2, campaign_pb2_grpc, provider_pb2, provider_pb2_grpc
from tests.e2e.serving import environment, serving
from tests.entrypoints.campaign_api import people, spec
from tests.support import eventually

TEMPLATE = """{"to": "$$To", "subject": "$$Subject", "name": "$$FromName", "from": "$$FromAddress",
"html": "$$HTML", "mid": "$$MessageID"}"""


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """An ESP that lets nobody in, and speaks of whom it was asked for."""

    async def refuse(request: web.Request) -> web.Response:
        body = await request.json()
        return web.json_response({"error": f"{body['to']} is not for you"}, status=401)

    app = web.Application()
    app.router.add_post("/send", refuse)
    async with TestServer(app) as server:
        yield str(server.make_url("/send"))


def provider(url: str) -> provider_pb2.Provider:
    return provider_pb2.Provider(
        nickname="acme",
        request_type=provider_pb2.REQUEST_TYPE_POST,
        http_endpoint=url,
        parameters=TEMPLATE,
        headers=[provider_pb2.Header(name="X-Key", value="hunter2", secret=True)],
        preference_center=provider_pb2.PreferenceCenter(
            kind=provider_pb2.PREFERENCE_CENTER_KIND_NONE
        ),
    )


async def test_the_course_of_a_campaign_stands_in_the_log_without_people_and_secrets(
    tmp_path: Path, url: str
) -> None:
    settings = {"ESPALIER_LOG_FORMAT": "json", "ESPALIER_ALLOW_PRIVATE_ADDRESSES": "true"}
    async with serving(environment(tmp_path, **settings)) as served:
        async with grpc.aio.insecure_channel(served.grpc_address) as channel:
            providers = provider_pb2_grpc.ProviderServiceStub(channel)
            campaigns = campaign_pb2_grpc.CampaignServiceStub(channel)
            await providers.ConfigureProvider(
                provider_pb2.ConfigureProviderRequest(provider=provider(url))
            )
            sent = await campaigns.SendCampaign(
                campaign_pb2.SendCampaignRequest(campaign=spec(), recipients=people(1))
            )
            which = campaign_pb2.GetCampaignRequest(campaign_id=sent.campaign.campaign_id)

            async def is_paused() -> bool:
                found = (await campaigns.GetCampaign(which)).campaign
                return found.state == campaign_pb2.CAMPAIGN_STATE_PAUSED

            await eventually(is_paused, 30)
        _, said = await served.stop()

    lines: list[dict[str, Any]] = [json.loads(line) for line in said.splitlines() if line]
    course = [line for line in lines if line["event"].startswith(("provider ", "campaign "))]
    assert [(line["level"], line["event"]) for line in course] == [
        ("info", "provider configured"),
        ("info", "campaign accepted"),
        ("warning", "campaign paused"),
    ]
    assert {line["provider"] for line in course} == {"acme"}
    assert "401" in course[2]["reason"]
    assert "[address] is not for you" in course[2]["reason"]
    assert "example.com" not in said
    assert "hunter2" not in said
