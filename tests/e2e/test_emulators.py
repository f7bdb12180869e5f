"""Presets against ESPs that others emulate: what arrives there of a campaign, field by field."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from domain.provider import AwsSignature
from tests.adapters.signed_by_aws import signature_over
from tests.e2e.api import Api, api_at
from tests.e2e.serving import environment, serving
from tests.emulators.installing import CannotInstall, installed
from tests.emulators.passage import Passage, passage_to
from tests.emulators.running import aws_ses, resend
from tests.emulators.sample import LETTERS, PEOPLE, SENDER, UNSUBSCRIBE, read_mailbox
from tests.emulators.sending import Sent, begin, configure, send
from tests.emulators.stores import ResendStore, SesStore
from tests.support import eventually

# One service and one of each emulator for all tests of this module. The first test on a machine
# waits for the emulators' packages too.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

KEYS = AwsSignature(
    region="eu-central-1",
    service="ses",
    access_key_id="AKIDEXAMPLE",
    secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
)
SES_SETTINGS = {
    "access_key_id": KEYS.access_key_id,
    "secret_access_key": KEYS.secret_access_key,
    "region": KEYS.region,
    "topic_arn": "arn:aws:sns:eu-central-1:123456789012:mail",
}
RESEND_SETTINGS = {"api_key": "re_123", "requests_per_second": "20"}


@pytest.fixture(scope="module")
def packages() -> Path:
    try:
        return installed()
    except CannotInstall as fault:
        pytest.skip(str(fault))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """`packages` comes first: without the emulators there is nothing to start a service for."""
    environ = environment(tmp_path_factory.mktemp("service"))
    async with serving(environ) as served, api_at(served.grpc_address) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ses_store(packages: Path) -> AsyncIterator[SesStore]:
    async with aws_ses(packages) as url:
        yield SesStore(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ses_sent(api: Api, ses_store: SesStore) -> AsyncIterator[Sent]:
    """The sample's campaign."""
    async with passage_to(ses_store.url) as passage:
        at = "event.mail.messageId"
        await configure(api, "amazon-ses", SES_SETTINGS, to=passage, esp_message_id=at)
        yield await send(api, "amazon-ses", passage)


async def test_ses_has_one_email_for_each_message_under_the_id_that_get_message_tells(
    ses_sent: Sent, ses_store: SesStore
) -> None:
    ids = [message.esp_message_id for message in ses_sent.messages.values()]
    assert sorted(ids) == sorted(await ses_store.emails())
    assert ses_sent.messages.keys() == LETTERS.keys()


@pytest.mark.parametrize("address", LETTERS)
async def test_ses_has_every_field_of_a_message(
    ses_sent: Sent, ses_store: SesStore, address: str
) -> None:
    message, letter = ses_sent.messages[address], LETTERS[address]
    email = (await ses_store.emails())[message.esp_message_id]
    assert read_mailbox(email.pop("from")) == SENDER
    (to,) = email["destination"].pop("to")
    assert read_mailbox(to).addr_spec == address
    assert email.pop("at") > 0
    assert email == {
        "messageId": message.esp_message_id,
        "replyTo": ["answers@example.org"],
        "destination": {
            "cc": ["copy@example.org", "second@example.org"],
            "bcc": ["blind@example.org"],
        },
        "subject": letter.subject,
        "body": {"html": letter.html, "text": letter.text},
        "attachments": [],
        "headers": [{"name": name, "value": value} for name, value in UNSUBSCRIBE.items()],
    }


async def test_ses_gets_mailboxes_in_ascii_since_it_takes_nothing_else(
    ses_sent: Sent, ses_store: SesStore
) -> None:
    for email in (await ses_store.emails()).values():
        assert email["from"].isascii()
        assert "".join(email["destination"]["to"]).isascii()


async def test_every_request_to_ses_is_signed_over_what_arrives(ses_sent: Sent) -> None:
    scope = r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/eu-central-1/ses/aws4_request, .*"
    assert len(ses_sent.requests) == len(PEOPLE)
    for request in ses_sent.requests:
        assert request.line == "POST /v2/email/outbound-emails HTTP/1.1"
        authorization = request.header("Authorization") or ""
        assert re.fullmatch(scope, authorization)
        assert authorization == signature_over(request, KEYS)


async def test_every_request_to_ses_is_tagged_with_our_id(ses_sent: Sent) -> None:
    tags = [json.loads(request.body)["EmailTags"] for request in ses_sent.requests]
    ids = [each.message_id for each in ses_sent.messages.values()]
    ours = [[{"Name": "espalier_mid", "Value": message_id}] for message_id in ids]
    assert sorted(tags, key=str) == sorted(ours, key=str)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def resend_store(
    packages: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ResendStore]:
    database = tmp_path_factory.mktemp("resend") / "resend.sqlite"
    async with resend(packages, database) as url:
        yield ResendStore(url, database)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def resend_passage(api: Api, resend_store: ResendStore) -> AsyncIterator[Passage]:
    async with passage_to(resend_store.url) as made:
        at = "event.data.email_id"
        await configure(api, "resend", RESEND_SETTINGS, to=made, esp_message_id=at)
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def resend_sent(api: Api, resend_passage: Passage) -> Sent:
    """The sample's campaign."""
    return await send(api, "resend", resend_passage)


@pytest.mark.parametrize("address", LETTERS)
async def test_resend_has_every_field_of_a_message(
    resend_sent: Sent, resend_store: ResendStore, address: str
) -> None:
    message, letter = resend_sent.messages[address], LETTERS[address]
    email = await resend_store.email(message.esp_message_id)
    assert read_mailbox(email.pop("from")) == SENDER
    (to,) = email.pop("to")
    read = read_mailbox(to)
    assert (read.display_name, read.addr_spec) == (letter.name, address)
    assert email.pop("created_at")
    assert email == {
        "object": "email",
        "id": message.esp_message_id,
        "subject": letter.subject,
        "html": letter.html,
        "text": letter.text,
        "cc": ["copy@example.org", "second@example.org"],
        "bcc": ["blind@example.org"],
        "reply_to": ["answers@example.org"],
        "headers": UNSUBSCRIBE,
        "last_event": "delivered",
    }


async def test_resend_gets_one_request_with_all_messages_and_with_what_it_asks_for(
    resend_sent: Sent,
) -> None:
    """It refuses a request without a key, and one that does not say what program it is from."""
    (request,) = resend_sent.requests
    assert request.line == "POST /emails/batch HTTP/1.1"
    assert request.header("Authorization") == "Bearer re_123"
    assert request.header("Content-Type") == "application/json"
    assert (request.header("User-Agent") or "").startswith("Espalier/")
    assert re.fullmatch(r"[\w-]{16,256}", request.header("Idempotency-Key") or "")


async def test_every_message_to_resend_is_tagged_with_our_id(resend_sent: Sent) -> None:
    (request,) = resend_sent.requests
    tags = {read_mailbox(e["to"][0]).addr_spec: e["tags"] for e in json.loads(request.body)}
    assert tags == {
        address: [{"name": "espalier_mid", "value": message.message_id}]
        for address, message in resend_sent.messages.items()
    }


async def test_of_several_batches_to_resend_every_message_has_the_id_of_its_own_email(
    api: Api, resend_passage: Passage, resend_store: ResendStore
) -> None:
    already = resend_store.recipients().keys()
    people = [{"email": f"p{i}@example.org", "replacements": {"total": i}} for i in range(230)]
    sent = await send(api, "resend", resend_passage, people)
    assert sorted(len(json.loads(each.body)) for each in sent.requests) == [30, 100, 100]
    stored = {key: to for key, to in resend_store.recipients().items() if key not in already}
    assert stored == {each.esp_message_id: each.email for each in sent.messages.values()}


async def test_a_key_that_resend_refuses_pauses_the_campaign_and_the_right_one_lets_it_go_on(
    api: Api, resend_passage: Passage
) -> None:
    wrong = {**RESEND_SETTINGS, "nickname": "mistyped", "api_key": "not-a-key"}
    at = "event.data.email_id"
    await configure(api, "resend", wrong, to=resend_passage, esp_message_id=at)
    campaign_id = await begin(api, "mistyped", "mistyped")

    async def is_paused() -> bool:
        return await api.state(campaign_id) == "PAUSED"

    await eventually(is_paused, 30)
    assert "API key is invalid" in (await api.campaign(campaign_id)).state_reason
    assert await api.counts(campaign_id) == {"queued": len(PEOPLE)}
    right = {**wrong, "api_key": RESEND_SETTINGS["api_key"]}
    await configure(api, "resend", right, to=resend_passage, esp_message_id=at)
    await api.resume(campaign_id)
    await eventually(lambda: api.has_ended(campaign_id), 30)
    assert await api.counts(campaign_id) == {"accepted": len(PEOPLE)}
