import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from domain.errors import TryLater
from domain.http import AnswerLost, HttpResponse, NotSent
from domain.webhook_mapping import Signature, SignatureScheme
from tests.adapters.signed_requests import NOW, post
from tests.adapters.sns_sender import (
    CERTIFICATE_URL,
    ISSUER_URL,
    SNS,
    TOPIC,
    Sns,
    authority,
    confirmation,
    signer,
)

HOUR = 3600


@pytest.fixture
def sns(tmp_path: Path) -> Sns:
    return Sns(tmp_path)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Subject": "Amazon SES Email Event Notification"},
        confirmation(),
        confirmation(Type="UnsubscribeConfirmation"),
    ],
)
async def test_both_versions_and_every_type_hold(
    sns: Sns, version: str, fields: dict[str, Any]
) -> None:
    assert await sns.desk().holds(SNS, sns.request(version=version, **fields))


@pytest.mark.parametrize(
    "changed",
    [
        {"Message": '{"eventType":"Bounce"}'},
        {"MessageId": "another"},
        {"Subject": "added"},
        {"Timestamp": "2027-01-15T08:00:01.123Z"},
        {"Timestamp": "today"},
        {"Timestamp": "9999-99-99"},
        {"Type": "SubscriptionConfirmation"},
        {"Type": "Other"},
        {"Type": 1},
        {"Message": None},
        {"Message": {}},
        {"Signature": ""},
        {"Signature": "AAAA"},
        {"Signature": "!"},
        {"Signature": None},
        {"SignatureVersion": "1"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": []},
        {"SigningCertURL": None},
        {"SigningCertURL": 1},
        {"TopicArn": None},
        {"TopicArn": [TOPIC]},
    ],
)
async def test_nothing_that_is_signed_can_be_changed(sns: Sns, changed: dict[str, Any]) -> None:
    assert not await sns.desk().holds(SNS, sns.request(changed=changed))


async def test_a_topic_that_is_not_allowed_is_refused_however_well_it_is_signed(sns: Sns) -> None:
    request = sns.request(TopicArn="arn:aws:sns:eu-west-1:999999999999:mail-events")
    desk = sns.desk()
    assert not await desk.holds(SNS, request)
    assert not await desk.holds(Signature(scheme=SignatureScheme.SNS), sns.request())
    # Nor is anything fetched for it.
    assert desk.transport.requests == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"1", b'{"Type":"Notification"}'])
async def test_a_body_that_is_no_message_is_refused(sns: Sns, body: bytes) -> None:
    assert not await sns.desk().holds(SNS, post(body))


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com.example.com/a.pem",
        "https://example.com/a.pem",
        "https://example.com/sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com@example.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
        "https://evil.s3.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com",
        "https://169.254.169.254/a.pem",
        "file:///etc/passwd",
        "",
    ],
)
async def test_a_certificate_from_elsewhere_is_not_even_fetched(sns: Sns, url: str) -> None:
    desk = sns.desk()
    assert not await desk.holds(SNS, sns.request(SigningCertURL=url))
    assert desk.transport.requests == []


async def test_other_hosts_are_allowed_where_they_are_named(sns: Sns) -> None:
    """For a service that speaks as SNS does: its certificate is for its own host."""
    host, url = "messaging.example.com:8443", "https://messaging.example.com:8443/key.pem"
    sns.by = signer(sns.root, name="messaging.example.com")
    sns.served[url] = sns.by.pem
    signature = dataclasses.replace(SNS, certificate_hosts=(host,))
    assert await sns.desk().holds(signature, sns.request(SigningCertURL=url))
    assert not await sns.desk().holds(signature, sns.request())


async def test_the_certificate_is_fetched_once(sns: Sns) -> None:
    desk = sns.desk()
    for number in range(3):
        assert await desk.holds(SNS, sns.request(MessageId=str(number)))
    assert [request.url for request in desk.transport.requests] == [CERTIFICATE_URL]


async def test_many_at_once_fetch_it_once(sns: Sns) -> None:
    desk = sns.desk()
    requests = [sns.request(MessageId=str(number)) for number in range(10)]
    assert all(await asyncio.gather(*(desk.holds(SNS, request) for request in requests)))
    assert len(desk.transport.requests) == 1


async def test_after_a_day_it_is_fetched_again(sns: Sns) -> None:
    desk = sns.desk()
    assert await desk.holds(SNS, sns.request())
    desk.clock.advance(25 * HOUR)
    later = sns.request(Timestamp="2027-01-16T09:00:00.000Z")
    assert await desk.holds(SNS, later)
    assert len(desk.transport.requests) == 2


class TestChain:
    async def test_somebody_elses_authority_is_not_believed(self, sns: Sns) -> None:
        sns.by = signer(authority("impostor"))
        sns.served[CERTIFICATE_URL] = sns.by.pem
        assert not await sns.desk().holds(SNS, sns.request())

    async def test_a_certificate_for_another_name_is_not_believed(self, sns: Sns) -> None:
        sns.by = signer(sns.root, name="mail.example.com")
        sns.served[CERTIFICATE_URL] = sns.by.pem
        assert not await sns.desk().holds(SNS, sns.request())

    async def test_by_our_clock_it_has_to_be_valid(self, sns: Sns) -> None:
        sns.by = signer(sns.root, ends_at=NOW - 1)
        sns.served[CERTIFICATE_URL] = sns.by.pem
        assert not await sns.desk().holds(SNS, sns.request())

    async def test_one_that_ends_while_it_is_remembered_is_believed_no_longer(
        self, sns: Sns
    ) -> None:
        sns.by = signer(sns.root, ends_at=NOW + 100)
        sns.served[CERTIFICATE_URL] = sns.by.pem
        desk = sns.desk()
        assert await desk.holds(SNS, sns.request())
        desk.clock.advance(101)
        assert not await desk.holds(SNS, sns.request())

    async def test_the_certificate_in_between_may_come_in_the_same_file(self, sns: Sns) -> None:
        between = authority("between", sns.root)
        sns.by = signer(between)
        sns.served[CERTIFICATE_URL] = sns.by.pem + between.pem
        assert await sns.desk().holds(SNS, sns.request())

    async def test_or_from_where_the_certificate_says(self, sns: Sns) -> None:
        between = authority("between", sns.root)
        sns.by = signer(between, issuer_url=ISSUER_URL)
        sns.served |= {CERTIFICATE_URL: sns.by.pem, ISSUER_URL: between.der}
        desk = sns.desk()
        assert await desk.holds(SNS, sns.request())
        assert [request.url for request in desk.transport.requests] == [CERTIFICATE_URL, ISSUER_URL]

    async def test_but_never_from_anywhere(self, sns: Sns) -> None:
        url = "http://169.254.169.254/latest"
        between = authority("between", sns.root)
        sns.by = signer(between, issuer_url=url)
        sns.served |= {CERTIFICATE_URL: sns.by.pem, url: between.der}
        desk = sns.desk()
        assert not await desk.holds(SNS, sns.request())
        assert [request.url for request in desk.transport.requests] == [CERTIFICATE_URL]

    @pytest.mark.parametrize(
        "served",
        [
            b"",
            b"<html>",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            HttpResponse(status=403, body=b"no"),
            HttpResponse(status=302, headers=(("Location", "https://example.com/"),)),
        ],
    )
    async def test_what_is_no_certificate_vouches_for_nothing_and_is_asked_for_once_a_minute(
        self, sns: Sns, served: bytes | HttpResponse
    ) -> None:
        good, sns.served[CERTIFICATE_URL] = sns.served[CERTIFICATE_URL], served
        desk = sns.desk()
        assert not await desk.holds(SNS, sns.request())
        sns.served[CERTIFICATE_URL] = good
        assert not await desk.holds(SNS, sns.request())
        assert len(desk.transport.requests) == 1
        desk.clock.advance(61)
        assert await desk.holds(SNS, sns.request())


@pytest.mark.parametrize(
    "failure",
    [
        NotSent("no route"),
        AnswerLost("closed"),
        HttpResponse(status=500),
        HttpResponse(status=429),
    ],
)
async def test_where_the_certificate_cannot_be_had_the_request_may_come_again(
    sns: Sns, failure: Any
) -> None:
    good, sns.served[CERTIFICATE_URL] = sns.served[CERTIFICATE_URL], failure
    desk = sns.desk()
    with pytest.raises(TryLater):
        await desk.verify(SNS, sns.request())
    sns.served[CERTIFICATE_URL] = good
    assert await desk.holds(SNS, sns.request())


@pytest.mark.parametrize(
    ("seconds", "holds"), [(-290, True), (-310, False), (HOUR, True), (HOUR + 310, False)]
)
async def test_sns_repeats_for_an_hour_with_its_first_timestamp(
    sns: Sns, seconds: float, holds: bool
) -> None:
    desk = sns.desk()
    request = sns.request()
    desk.clock.advance(seconds)
    assert await desk.holds(SNS, request) is holds


async def test_a_repeat_is_known_and_a_message_id_is_good_for_one_message(sns: Sns) -> None:
    desk = sns.desk()
    verified = await desk.verify(SNS, sns.request())
    assert verified is not None
    await desk.verifier.remember(verified)
    again = await desk.verify(SNS, sns.request(changed={"UnsubscribeURL": "https://other"}))
    assert again is not None
    assert again.repeated
    assert not await desk.holds(SNS, sns.request(Message="another, by the same key"))
