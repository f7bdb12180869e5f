"""Each preset believes what its ESP signs, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from domain.webhook import Webhook
from domain.webhook_mapping import Signature, WebhookMapping
from tests.adapters.signed_requests import Desk
from tests.adapters.sns_sender import TOPIC, Sns
from tests.presets.sample import NAMES, NOW, configured
from tests.presets.signing import SIGNERS

_DAY = 86_400.0
_DATED = [name for name, signer in SIGNERS.items() if signer.is_dated]
# Nothing but the URL says who calls: they sign nothing, or are v2.
_UNSIGNED = {"netcore", "elastic-email", "elastic-email-bulk", "generic-v2"}
_BY_PASSWORD = {"brevo", "mailjet", "postmark", "sparkpost", "sparkpost-bulk"}
_SNS = {"amazon-ses", "amazon-ses-bulk", "scaleway"}
# What any of them takes for a body that is well formed.
_BODY = json.dumps({"auth": "", "events": [{"event": "open"}]}).encode()


def test_every_preset_is_signed_by_something_or_known_not_to_be() -> None:
    assert set(NAMES) == set(SIGNERS) | _SNS | _UNSIGNED


@pytest.mark.parametrize("name", SIGNERS)
async def test_what_the_esp_signs_is_believed(name: str) -> None:
    request = SIGNERS[name].sign(_BODY, NOW, True)

    assert await Desk().verify(_signatures(name), request) is not None


@pytest.mark.parametrize("name", SIGNERS)
async def test_what_somebody_else_signs_is_not_believed(name: str) -> None:
    request = SIGNERS[name].sign(_BODY, NOW, False)

    assert await Desk().verify(_signatures(name), request) is None


@pytest.mark.parametrize("name", SIGNERS)
async def test_what_nobody_signs_is_not_believed(name: str) -> None:
    request = replace(SIGNERS[name].sign(_BODY, NOW, True), headers={}, body=_BODY)

    assert await Desk().verify(_signatures(name), request) is None


@pytest.mark.parametrize("name", sorted(set(SIGNERS) - _BY_PASSWORD))
async def test_what_is_changed_on_the_way_is_not_believed(name: str) -> None:
    signed = SIGNERS[name].sign(_BODY, NOW, True)
    # Mailgun signs what stands in its body beside the event, and not the event.
    changed = signed.body.replace(b"tttt", b"uuuu") if name == "mailgun" else signed.body + b" "

    assert await Desk().verify(_signatures(name), replace(signed, body=changed)) is None


@pytest.mark.parametrize("name", _DATED)
async def test_what_was_signed_long_ago_is_not_believed(name: str) -> None:
    request = SIGNERS[name].sign(_BODY, NOW - _DAY, True)

    assert await Desk().verify(_signatures(name), request) is None


@pytest.mark.parametrize("name", _DATED)
async def test_what_was_stored_already_is_known_as_a_repeat(name: str) -> None:
    desk = Desk()
    request = SIGNERS[name].sign(_BODY, NOW, True)
    first = await desk.verify(_signatures(name), request)
    assert first is not None
    assert not first.repeated
    await desk.verifier.remember(first)

    second = await desk.verify(_signatures(name), request)

    assert second is not None
    assert second.repeated


async def test_mailgun_s_token_is_good_for_one_body(tmp_path: Path) -> None:
    desk = Desk()
    first = await desk.verify(
        _signatures("mailgun"), SIGNERS["mailgun"].sign(b'{"event": "opened"}', NOW, True)
    )
    assert first is not None
    await desk.verifier.remember(first)

    overheard = SIGNERS["mailgun"].sign(b'{"event": "complained"}', NOW, True)

    assert await desk.verify(_signatures("mailgun"), overheard) is None


@pytest.mark.parametrize("name", ["amazon-ses", "amazon-ses-bulk"])
async def test_sns_is_believed_for_its_topic_and_its_event_is_read(
    name: str, tmp_path: Path
) -> None:
    sns = Sns(tmp_path)
    mail = {"tags": {"espalier_mid": ["mid-0"]}, "destination": ["ada@example.com"]}
    message = json.dumps({"eventType": "Delivery", "mail": mail})
    request = sns.request(Message=message)
    mapping = _mapping(name, topic_arn=TOPIC)

    assert await sns.desk().verify(mapping.signatures, request) is not None
    (event,) = Webhook(mapping).read(request).events
    assert (event.type.name, event.meta) == ("DELIVERED", "mid-0")
    other = _mapping(name, topic_arn=f"{TOPIC}-other")
    assert await sns.desk().verify(other.signatures, request) is None


async def test_scaleway_s_topic_is_believed_where_it_is_set(tmp_path: Path) -> None:
    sns = Sns(tmp_path)
    host = "sns.eu-west-1.amazonaws.com"
    mapping = _mapping("scaleway", topic_arn=TOPIC, certificate_host=host)
    message = json.dumps({"type": "email_delivered", "email_to": "ada@example.com"})
    request = sns.request(Message=message)

    assert await sns.desk().verify(mapping.signatures, request) is not None
    (event,) = Webhook(mapping).read(request).events
    assert event.type.name == "DELIVERED"
    changed = sns.request(changed={"Message": "{}"})
    assert await sns.desk().verify(mapping.signatures, changed) is None


@pytest.mark.parametrize("name", sorted(set(SIGNERS) - {"unisender-go", "unisender-go-bulk"}))
def test_without_a_key_the_callback_url_is_all_that_says_who_calls(name: str) -> None:
    assert _mapping(name).signatures == ()


def _signatures(name: str) -> Sequence[Signature]:
    return _mapping(name, **SIGNERS[name].settings).signatures


def _mapping(name: str, **settings: str) -> WebhookMapping:
    mapping = configured(name, **settings).webhook
    assert mapping is not None
    return mapping
