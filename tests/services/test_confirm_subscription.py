from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.errors import TryLater
from domain.http import AnswerLost, HttpResponse, NotSent
from domain.webhook_mapping import Signature, SignatureScheme
from services.confirm_subscription import ConfirmSubscription
from tests.adapters.fake_transport import FakeTransport
from tests.adapters.signed_requests import post
from tests.adapters.sns_sender import SNS, SUBSCRIBE_URL, Sns, confirmation


@pytest.fixture
def sns(tmp_path: Path) -> Sns:
    return Sns(tmp_path)


def transport(answer: Any = None) -> FakeTransport:
    return FakeTransport(lambda _: answer or HttpResponse(status=200, body=b"<ok/>"))


async def test_a_subscription_is_confirmed_by_asking_its_url(sns: Sns) -> None:
    asked = transport()
    assert await ConfirmSubscription(asked)([SNS], sns.request(**confirmation()))
    assert [(one.method, one.url) for one in asked.requests] == [("GET", SUBSCRIBE_URL)]


async def test_a_notification_is_left_to_the_mapping(sns: Sns) -> None:
    asked = transport()
    assert not await ConfirmSubscription(asked)([SNS], sns.request())
    assert asked.requests == []


@pytest.mark.parametrize("body", [b"", b"[]", b'{"Type":"SubscriptionConfirmation"', b'{"Type":1}'])
async def test_what_is_no_message_is_left_to_the_mapping(body: bytes) -> None:
    assert not await ConfirmSubscription(transport())([SNS], post(body))


async def test_without_sns_s_signature_nothing_is_confirmed(sns: Sns) -> None:
    asked = transport()
    confirm = ConfirmSubscription(asked)
    request = sns.request(**confirmation())
    other = Signature(scheme=SignatureScheme.BASIC, secrets=("a:b",))
    assert not await confirm([], request)
    assert not await confirm([other], request)
    assert asked.requests == []


@pytest.mark.parametrize(
    "fields",
    [
        {"TopicArn": "arn:aws:sns:eu-west-1:999999999999:other"},
        {"SubscribeURL": "https://example.com/?Action=ConfirmSubscription"},
        {"SubscribeURL": "http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"},
        {"SubscribeURL": None},
        {"Type": "UnsubscribeConfirmation"},
    ],
)
async def test_nothing_else_is_asked_and_no_events_are_looked_for(
    sns: Sns, fields: dict[str, Any]
) -> None:
    asked = transport()
    assert await ConfirmSubscription(asked)([SNS], sns.request(**confirmation(**fields)))
    assert asked.requests == []


async def test_other_hosts_are_asked_where_they_are_named(sns: Sns) -> None:
    asked, url = transport(), "https://messaging.example.com/confirm?Token=1"
    signature = replace(SNS, certificate_hosts=("messaging.example.com",))
    assert await ConfirmSubscription(asked)(
        [signature], sns.request(**confirmation(SubscribeURL=url))
    )
    assert [one.url for one in asked.requests] == [url]


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(status=500),
        HttpResponse(status=403),
        HttpResponse(status=302),
        NotSent("no route"),
        AnswerLost("closed"),
    ],
)
async def test_where_the_url_does_not_answer_sns_is_told_to_ask_again(
    sns: Sns, answer: Any
) -> None:
    with pytest.raises(TryLater):
        await ConfirmSubscription(transport(answer))([SNS], sns.request(**confirmation()))
