"""What holds for all schemes together, and for what is remembered of them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import TryLater
from domain.webhook_mapping import (
    Digest,
    Signature,
    SignatureEncoding,
    SignaturePart,
    SignatureScheme,
)
from domain.webhook_request import WebhookRequest
from tests.adapters.signed_requests import NOW, Desk, hex_hmac, post

BODY = b'{"event":"delivered"}'
KEY = "key"
OVER_TIME_AND_BODY = Signature(
    scheme=SignatureScheme.HMAC,
    secrets=(KEY,),
    signature="headers.signature",
    timestamp="headers.at",
)
TOKEN = Signature(scheme=SignatureScheme.HEADER_TOKEN, secrets=("t",), header="x-token")


def signed(at: float = NOW, more: Mapping[str, str] | None = None) -> WebhookRequest:
    text = str(int(at))
    headers = {"at": text, "signature": hex_hmac(b"key", text.encode() + BODY)}
    return post(BODY, headers | dict(more or {}))


async def test_without_signatures_any_request_holds() -> None:
    verified = await Desk().verify([], post(b"anything"))
    assert verified is not None
    assert not verified.repeated


async def test_all_of_several_signatures_have_to_hold() -> None:
    desk = Desk()
    both = [OVER_TIME_AND_BODY, TOKEN]
    assert await desk.verify(both, signed(more={"x-token": "t"})) is not None
    assert await desk.verify(both, signed()) is None
    assert await desk.verify(both, post(BODY, {"x-token": "t"})) is None


class TestReplays:
    async def test_what_was_not_stored_can_come_again(self) -> None:
        desk = Desk()
        for _ in range(2):
            verified = await desk.verify(OVER_TIME_AND_BODY, signed())
            assert verified is not None
            assert not verified.repeated

    async def test_what_was_stored_is_known_when_it_comes_again(self) -> None:
        desk = Desk()
        first = await desk.verify(OVER_TIME_AND_BODY, signed())
        assert first is not None
        await desk.verifier.remember(first)
        again = await desk.verify(OVER_TIME_AND_BODY, signed())
        assert again is not None
        assert again.repeated
        later = await desk.verify(OVER_TIME_AND_BODY, signed(at=NOW + 1))
        assert later is not None
        assert not later.repeated

    async def test_the_same_request_to_another_callback_url_is_another_one(self) -> None:
        desk = Desk()
        first = await desk.verify(OVER_TIME_AND_BODY, signed())
        assert first is not None
        await desk.verifier.remember(first)
        elsewhere = dataclasses.replace(signed(), url="https://mail.example.com/callbacks/Other")
        other = await desk.verify(OVER_TIME_AND_BODY, elsewhere)
        assert other is not None
        assert not other.repeated

    async def test_what_has_no_time_and_no_nonce_leaves_nothing_behind(self) -> None:
        desk = Desk()
        verified = await desk.verify(TOKEN, post(BODY, {"x-token": "t"}))
        assert verified is not None
        await desk.verifier.remember(verified)
        assert desk.store.signature_uses == {}

    async def test_what_is_left_behind_holds_nothing_of_the_request(self) -> None:
        desk = Desk()
        verified = await desk.verify(OVER_TIME_AND_BODY, signed())
        assert verified is not None
        await desk.verifier.remember(verified)
        (trace,) = desk.store.signature_uses.values()
        assert (len(trace.use), len(trace.body)) == (32, 32)

    async def test_it_is_kept_for_longer_than_the_request_is_believed(self) -> None:
        desk = Desk()
        ahead = await desk.verify(OVER_TIME_AND_BODY, signed(at=NOW + 299))
        assert ahead is not None
        await desk.verifier.remember(ahead)
        desk.clock.advance(598)
        assert await desk.verify(OVER_TIME_AND_BODY, signed(at=NOW + 299)) is not None
        (trace,) = desk.store.signature_uses.values()
        assert trace.until > desk.clock.now()
        desk.clock.advance(2)
        assert await desk.verify(OVER_TIME_AND_BODY, signed(at=NOW + 299)) is None

    async def test_a_nonce_without_a_time_is_kept_for_weeks(self) -> None:
        signature = Signature(
            scheme=SignatureScheme.HMAC,
            secrets=(KEY,),
            signed=(SignaturePart(at="headers.nonce"),),
            signature="headers.signature",
            nonce="headers.nonce",
        )
        headers = {"nonce": "n", "signature": hex_hmac(b"key", b"n")}
        desk = Desk()
        verified = await desk.verify(signature, post(BODY, headers))
        assert verified is not None
        await desk.verifier.remember(verified)
        desk.clock.advance(29 * 86_400)
        assert await desk.verify(signature, post(b"another body", headers)) is None

    async def test_what_cannot_be_remembered_was_stored_all_the_same(self) -> None:
        desk = Desk()
        verified = await desk.verify(OVER_TIME_AND_BODY, signed())
        assert verified is not None
        desk.store.failure = TryLater("busy")
        await desk.verifier.remember(verified)
        desk.store.failure = None
        again = await desk.verify(OVER_TIME_AND_BODY, signed())
        assert again is not None
        assert not again.repeated

    async def test_where_nothing_can_be_looked_up_the_request_may_come_again(self) -> None:
        desk = Desk()
        desk.store.failure = TryLater("busy")
        with pytest.raises(TryLater):
            await desk.verify(OVER_TIME_AND_BODY, signed())


@pytest.mark.parametrize(("tolerance", "seconds"), [(10.0, 11), (10.0, -11), (3600.0, 3601)])
async def test_the_tolerance_is_the_provider_s(tolerance: float, seconds: int) -> None:
    signature = dataclasses.replace(OVER_TIME_AND_BODY, tolerance_seconds=tolerance)
    desk = Desk()
    assert await desk.holds(signature, signed(at=NOW + seconds * 0.9))
    assert not await desk.holds(signature, signed(at=NOW + seconds))


texts = st.text(max_size=40) | st.sampled_from(
    ["v1,AAAA", "Basic AAAA", "ts=1;s=AA", "sha256=00", "1800000000", "\udcff", "\ud800", "1e999"]
)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    [
        "authorization",
        "content-type",
        "signature",
        "at",
        "svix-id",
        "svix-timestamp",
        "svix-signature",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-mandrill-signature",
    ]
)
MESSAGE_FIELDS = st.sampled_from(
    [
        "Type",
        "TopicArn",
        "Signature",
        "SignatureVersion",
        "SigningCertURL",
        "Timestamp",
        "auth",
        "event",
    ]
)


def as_json(value: Any) -> bytes:
    """What orjson refuses (a lone surrogate) is a body all the same."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return repr(value).encode("utf-8", "surrogatepass")


bodies = (
    st.binary(max_size=200)
    | jsons.map(as_json)
    | st.dictionaries(
        MESSAGE_FIELDS,
        jsons
        | st.sampled_from(
            ["Notification", "topic", "1", "2", "https://sns.eu-west-1.amazonaws.com/"]
        ),
        max_size=8,
    ).map(as_json)
    | st.sampled_from(
        [b"[" * 5000, b'{"auth":"%032d"}' % 0, b"mandrill_events=%ff&&=&a=b", b"--a\r\n\r\n"]
    )
)
requests = st.builds(
    WebhookRequest,
    method=st.sampled_from(["POST", "GET", "HEAD"]),
    url=texts,
    headers=st.dictionaries(
        names,
        texts
        | st.sampled_from(["application/x-www-form-urlencoded", "multipart/form-data; boundary=a"]),
        max_size=8,
    ),
    query=st.dictionaries(texts, texts, max_size=3),
    body=bodies,
)
expressions = st.sampled_from(
    [
        "",
        "body",
        "body.event",
        "headers.signature",
        "headers.at",
        "query",
        "form.*",
        "[",
        "keys(body)",
    ]
) | st.text(max_size=20)
signatures = st.builds(
    Signature,
    scheme=st.sampled_from(list(SignatureScheme)),
    secrets=st.lists(texts, max_size=3).map(tuple),
    digest=st.sampled_from(list(Digest)),
    encoding=st.sampled_from(list(SignatureEncoding)),
    signed=st.lists(
        st.builds(SignaturePart, literal=texts, body=st.booleans(), at=expressions), max_size=3
    ).map(tuple),
    signature=expressions,
    prefix=texts,
    separator=texts,
    timestamp=expressions,
    nonce=expressions,
    header=names | texts,
    url=texts,
    topics=st.just(("topic",)),
)


@settings(max_examples=400, deadline=None)
@given(signature=signatures, request=requests)
async def test_no_request_and_no_signature_makes_it_raise(
    signature: Signature, request: WebhookRequest
) -> None:
    verified = await Desk().verify(signature, request)
    assert verified is None or not verified.repeated
