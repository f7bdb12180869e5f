"""A provider whose requests are signed and hold secrets, over SQLite, libcurl and sockets."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from domain.campaign import CampaignSpec, Content, Recipient
from domain.masking import curl_command
from domain.provider import (
    AwsSignature,
    EmptyValues,
    ProviderConfig,
    QueryParameter,
    RequestType,
    Secret,
)
from domain.provider_secrets import NONE, with_secret_values
from entrypoints.bootstrap import Parts, parts, transport
from entrypoints.settings_loader import load
from services.configure_provider import ConfigureProvider
from services.ports import Transport
from services.preview_campaign import PreviewCampaign
from tests.adapters.signed_by_aws import signature_over
from tests.adapters.transport_server import RawServer, answering, raw_server

KEYS = AwsSignature(
    region="eu-west-1", service="ses", access_key_id="AKIA7", secret_access_key="aws/secret+key"
)
API_KEY = 'k3y/"of the ESP"'
ECHO = b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n%b"
CONFIG = ProviderConfig(
    nickname="ses",
    request_type=RequestType.POST,
    http_endpoint="",
    aws_signature=KEYS,
    secrets=(Secret(name="api_key", value=API_KEY),),
    query_parameters=(QueryParameter(name="key", value="$$secret.api_key"),),
    empty_values=EmptyValues.OMIT,
    parameters="""{"key": "$$secret.api_key", "to": ["$$To.mailbox"], "cc": ["$$cc"],
      "from": "$$FromAddress.mailbox", "subject": "$$Subject", "html": "$$HTML",
      "mid": "$$MessageID"}""",
)
CONTENT = Content(
    subject="Hello", from_name="Shop", from_address="shop@example.com", html="<p>Hi</p>"
)
SPEC = CampaignSpec(request_id="", provider="ses", content=CONTENT)
ADA = Recipient("ada@example.com", "Lovelace, Ada")


class World(NamedTuple):
    made: Parts
    way: Transport
    server: RawServer
    config: ProviderConfig

    @property
    def configure(self) -> ConfigureProvider:
        return ConfigureProvider(self.made.providers)

    @property
    def preview(self) -> PreviewCampaign:
        made = self.made
        return PreviewCampaign(
            providers=made.providers, suppressions=made.suppressions, message_ids=made.message_ids
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    settings = load({"ESPALIER_DATA_DIR": str(tmp_path), "ESPALIER_ALLOW_PRIVATE_ADDRESSES": "1"})
    async with raw_server() as server, parts(settings) as made, transport(settings) as way:
        endpoint = server.url("/v2/email/$$MessageID?a=1")
        world = World(made, way, server, replace(CONFIG, http_endpoint=endpoint))
        await world.configure(world.config)
        yield world


async def test_the_esp_gets_the_secrets_and_a_signature_that_holds(world: World) -> None:
    tried = await world.made.send_test_email(world.way)("ses", ADA, SPEC)

    (received,) = world.server.received
    assert json.loads(received.body) == {
        "key": API_KEY,
        "to": ['"Lovelace, Ada" <ada@example.com>'],
        "from": "Shop <shop@example.com>",
        "subject": "Hello",
        "html": "<p>Hi</p>",
        "mid": tried.message_id,
    }
    target = f"/v2/email/{tried.message_id}?a=1&key=k3y%2F%22of%20the%20ESP%22"
    assert received.line == f"POST {target} HTTP/1.1"
    authorization = received.header("Authorization") or ""
    assert "content-type;host;idempotency-key;x-amz-date" in authorization
    assert authorization == signature_over(received, KEYS)
    assert authorization != signature_over(received, replace(KEYS, secret_access_key="other"))


async def test_nobody_is_shown_a_secret_also_where_the_esp_repeats_it(world: World) -> None:
    echo = json.dumps({"error": f"key {API_KEY} is not known"}).encode()
    world.server.behaviour = answering(ECHO % (len(echo), echo))
    tried = await world.made.send_test_email(world.way)("ses", ADA, SPEC)
    shown = await world.preview(SPEC, [ADA])

    assert tried.status == 400
    assert tried.body == '{"error": "key *** is not known"}'
    (previewed,) = shown.requests
    for request in (tried.request, previewed.request):
        assert request.url.endswith("&key=***")
        assert json.loads(request.body or b"")["key"] == "***"
        everything = f"{curl_command(request)} {request.headers} {request.aws_signature}"
        assert "--aws-sigv4 aws:amz:eu-west-1:ses --user 'AKIA7:***'" in everything
        for secret in (KEYS.secret_access_key, API_KEY, "k3y"):
            assert secret not in everything


async def test_secrets_that_are_left_out_stay_and_are_sent(world: World) -> None:
    await world.configure(with_secret_values(world.config, NONE))
    await world.made.send_test_email(world.way)("ses", ADA, SPEC)
    (received,) = world.server.received
    assert json.loads(received.body)["key"] == API_KEY
    assert received.header("Authorization") == signature_over(received, KEYS)
