"""Each preset makes the request that its ESP documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import pytest

from domain.campaign import Content, Recipient
from domain.http import HttpRequest
from domain.rendering import Message, RenderedRequest, Renderer
from tests.presets.sample import NAMES, PRESETS, configured, sample, settings_of

_UNSUBSCRIBE = "https://acme.example/u/$$MessageID"
_PLAIN = Content(
    subject="Hello, Ada",
    from_name="Acme, Inc.",
    from_address="deals@acme.example",
    html="<p>Hello</p>",
)
_WHOLE = Content(
    subject="Hello, Ada",
    from_name="Acme, Inc.",
    from_address="deals@acme.example",
    html="<p>Hello</p>",
    plaintext="Hello",
    reply_to="help@acme.example",
)
_ADA = Recipient("ada@example.com", "Lovelace, Ada", {})
_BOB = Recipient("bob@example.com", "", {})


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_message_has_the_shape_that_the_esp_documents(name: str) -> None:
    has_unsubscribe = "unsubscribe_url" in settings_of(PRESETS[name])
    config = configured(name, **({"unsubscribe_url": _UNSUBSCRIBE} if has_unsubscribe else {}))
    renderer = _renderer(config, _WHOLE)

    (made,) = renderer.render(
        [(0, _ADA)],
        cc=("carol@example.com", "cyril@example.com"),
        bcc=("boss@acme.example",),
    )

    assert isinstance(made, RenderedRequest)
    assert made.request.url == sample(name)["url"]
    assert dict(made.request.headers) == sample(name)["headers"]
    assert _body(name, made.request) == json.loads(sample(name)["whole"])


@pytest.mark.parametrize("name", NAMES)
def test_two_messages_with_little_in_them_leave_nothing_empty_behind(name: str) -> None:
    made = _requests(name, [(0, _ADA), (1, _BOB)])

    bodies = [_body(name, each.request) for each in made]

    assert bodies == [json.loads(body) for body in sample(name)["batch"]]


@pytest.mark.parametrize("name", NAMES)
def test_no_placeholder_and_no_mark_is_sent_as_it_stands(name: str) -> None:
    for made in _requests(name, [(0, _ADA), (1, _BOB)]):
        sent = f"{made.request.url} {made.request.headers} {(made.request.body or b'').decode()}"

        assert "$$" not in sent
        assert "@@" not in sent


@pytest.mark.parametrize(
    "name",
    ["elastic-email-bulk", "mailgun", "netcore", "sendgrid"],
    ids="content shared: {}".format,
)
def test_personal_content_goes_to_nobody_else(name: str) -> None:
    content = Content(
        subject="Hello",
        from_name="Acme",
        from_address="deals@acme.example",
        html="<p>Hello $$who</p>",
    )
    people: Sequence[Message] = [
        (0, Recipient("ada@example.com", "", {"who": "Ada"})),
        (1, Recipient("bob@example.com", "", {"who": "Bob"})),
        (2, Recipient("ann@example.com", "", {"who": "Ada"})),
    ]

    made = _made(_renderer(configured(name), content), people)

    assert sorted(each.ordinals for each in made) == [(0, 2), (1,)]
    for each in made:
        body = (each.request.body or b"").decode()
        assert ("Hello Bob" in body or "Hello+Bob" in body) is ("bob@example.com" in _plain(body))


@pytest.mark.parametrize("name", ["amazon-ses", "amazon-ses-bulk"])
def test_ses_is_signed_for_its_region(name: str) -> None:
    (first, *_) = _requests(name, [(0, _ADA), (1, _BOB)])

    signature = first.request.aws_signature
    assert signature is not None
    assert (signature.service, signature.region) == ("ses", "eu-west-1")


def _plain(body: str) -> str:
    return body.replace("%40", "@")


def _requests(name: str, messages: Sequence[Message]) -> list[RenderedRequest]:
    return _made(_renderer(configured(name), _PLAIN), messages)


def _made(renderer: Renderer, messages: Sequence[Message]) -> list[RenderedRequest]:
    made = list(renderer.render(messages))
    assert [each for each in made if not isinstance(each, RenderedRequest)] == []
    return [each for each in made if isinstance(each, RenderedRequest)]


def _renderer(config: Any, content: Content) -> Renderer:
    return Renderer(config, content, campaign_id="c-7", message_ids=_message_ids)


def _message_ids(ordinals: Sequence[int]) -> list[str]:
    return [f"mid-{ordinal}" for ordinal in ordinals]


def _body(name: str, request: HttpRequest) -> Any:
    body = (request.body or b"").decode()
    if not sample(name).get("form"):
        return json.loads(body)
    return parse_qs(body, keep_blank_values=True, strict_parsing=True)
