import orjson
import pytest

from domain.webhook_mapping import (
    Digest,
    Signature,
    SignatureEncoding,
    SignaturePart,
    SignatureScheme,
)
from tests.adapters.signed_requests import NOW, Desk, base64_hmac, hex_hmac, post

BODY = b'{"type":"activity.delivered","url":"https:\\/\\/example.com\\/a"}'
KEY, NEW_KEY = "signing-key", "the next signing key"

OVER_BODY = Signature(scheme=SignatureScheme.HMAC, secrets=(KEY,), signature="headers.signature")


def signed(body: bytes = BODY, key: str = KEY) -> dict[str, str]:
    return {"signature": hex_hmac(key.encode(), body)}


async def test_the_raw_body_is_what_is_signed() -> None:
    desk = Desk()
    assert await desk.holds(OVER_BODY, post(BODY, signed()))
    # The same JSON, written in another way.
    assert not await desk.holds(OVER_BODY, post(BODY.replace(b"\\/", b"/"), signed()))


async def test_a_header_can_be_named_instead_of_an_expression() -> None:
    by_header = Signature(scheme=SignatureScheme.HMAC, secrets=(KEY,), header="Mailtrap-Signature")
    headers = {"mailtrap-signature": hex_hmac(KEY.encode(), BODY)}
    assert await Desk().holds(by_header, post(BODY, headers))
    assert not await Desk().holds(by_header, post(BODY, signed()))


@pytest.mark.parametrize(
    "given",
    [
        "",
        "0",
        "not hex",
        "ü",
        "00" * 32,
        hex_hmac(b"another key", BODY),
        hex_hmac(KEY.encode(), BODY)[:-2],
        hex_hmac(KEY.encode(), BODY) + "00",
        base64_hmac(KEY.encode(), BODY),
        hex_hmac(KEY.encode(), b""),
        hex_hmac(KEY.encode(), BODY, "sha512"),
    ],
)
async def test_any_other_signature_is_refused(given: str) -> None:
    assert not await Desk().holds(OVER_BODY, post(BODY, {"signature": given}))


async def test_a_request_without_its_signature_is_refused() -> None:
    assert not await Desk().holds(OVER_BODY, post(BODY))


async def test_while_a_key_is_changed_both_hold() -> None:
    both = Signature(
        scheme=SignatureScheme.HMAC, secrets=(KEY, NEW_KEY), signature="headers.signature"
    )
    desk = Desk()
    assert await desk.holds(both, post(BODY, signed(key=KEY)))
    assert await desk.holds(both, post(BODY, signed(key=NEW_KEY)))
    assert not await desk.holds(both, post(BODY, signed(key="a third one")))
    assert not await desk.holds(OVER_BODY, post(BODY, signed(key=NEW_KEY)))


@pytest.mark.parametrize("secrets", [(), ("",)])
async def test_no_key_is_no_key_that_anybody_can_sign_with(secrets: tuple[str, ...]) -> None:
    without = Signature(scheme=SignatureScheme.HMAC, secrets=secrets, signature="headers.signature")
    assert not await Desk().holds(without, post(BODY, signed(key="")))


@pytest.mark.parametrize("digest", list(Digest))
async def test_each_digest(digest: Digest) -> None:
    signature = Signature(
        scheme=SignatureScheme.HMAC,
        secrets=(KEY,),
        digest=digest,
        encoding=SignatureEncoding.BASE64,
        signature="headers.signature",
    )
    given = base64_hmac(KEY.encode(), BODY, digest.value.lower())
    desk = Desk()
    assert await desk.holds(signature, post(BODY, {"signature": given}))
    assert await desk.holds(signature, post(BODY, {"signature": given.rstrip("=")}))
    other = base64_hmac(KEY.encode(), BODY, "md5")
    assert not await desk.holds(signature, post(BODY, {"signature": other}))


async def test_a_prefix_is_taken_off_and_without_it_nothing_counts() -> None:
    signature = Signature(
        scheme=SignatureScheme.HMAC,
        secrets=(KEY,),
        signature='headers."x-hub-signature-256"',
        prefix="sha256=",
    )
    given = hex_hmac(KEY.encode(), BODY)
    desk = Desk()
    assert await desk.holds(signature, post(BODY, {"x-hub-signature-256": f"sha256={given}"}))
    assert not await desk.holds(signature, post(BODY, {"x-hub-signature-256": given}))
    assert not await desk.holds(signature, post(BODY, {"x-hub-signature-256": f"sha1={given}"}))


async def test_of_several_signatures_in_a_header_one_has_to_hold() -> None:
    signature = Signature(
        scheme=SignatureScheme.HMAC,
        secrets=(KEY,),
        signature="headers.signature",
        prefix="v1=",
        separator=",",
    )
    given, other = hex_hmac(KEY.encode(), BODY), hex_hmac(b"other", BODY)
    desk = Desk()
    both = {"signature": f"t=1800000000, v1={other}, v1={given}"}
    assert await desk.holds(signature, post(BODY, both))
    assert not await desk.holds(signature, post(BODY, {"signature": f"v0={given},v1={other}"}))


async def test_of_a_header_with_thousands_of_signatures_the_first_few_are_looked_at() -> None:
    signature = Signature(
        scheme=SignatureScheme.HMAC, secrets=(KEY,), signature="headers.signature", separator=","
    )
    given = ",".join(["00" * 32] * 5000 + [hex_hmac(KEY.encode(), BODY)])
    assert not await Desk().holds(signature, post(BODY, {"signature": given}))


class TestOverFieldsOfTheBody:
    """As Mailgun does it: the body itself is not covered."""

    signature = Signature(
        scheme=SignatureScheme.HMAC,
        secrets=(KEY,),
        signed=(
            SignaturePart(at="body.signature.timestamp"),
            SignaturePart(at="body.signature.token"),
        ),
        signature="body.signature.signature",
        timestamp="body.signature.timestamp",
        nonce="body.signature.token",
    )

    def body(
        self, *, token: str = "t0ken", timestamp: object = "1800000000", event: str = ""
    ) -> bytes:
        given = hex_hmac(KEY.encode(), f"{timestamp}{token}".encode())
        proof = {"timestamp": timestamp, "token": token, "signature": given}
        return orjson.dumps({"signature": proof, "event-data": {"event": event}})

    async def test_it_holds(self) -> None:
        assert await Desk().holds(self.signature, post(self.body()))
        assert await Desk().holds(self.signature, post(self.body(timestamp=1_800_000_000)))

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'{"signature": "text"}',
            b'{"signature": {"timestamp": "1800000000", "token": "t0ken"}}',
            b'{"signature": {"timestamp": "1800000000", "signature": "00"}}',
            b'{"signature": {"timestamp": null, "token": [], "signature": {}}}',
        ],
    )
    async def test_a_body_that_lacks_something_is_refused(self, body: bytes) -> None:
        assert not await Desk().holds(self.signature, post(body))

    async def test_another_body_under_an_overheard_signature_is_refused(self) -> None:
        desk = Desk()
        verified = await desk.verify(self.signature, post(self.body(event="delivered")))
        assert verified is not None
        await desk.verifier.remember(verified)
        assert not await desk.holds(self.signature, post(self.body(event="unsubscribed")))

    @pytest.mark.parametrize("seconds", [-301, 301, -86_400, 86_400])
    async def test_what_is_too_old_or_too_new_is_refused(self, seconds: int) -> None:
        body = self.body(timestamp=str(int(NOW) + seconds))
        assert not await Desk().holds(self.signature, post(body))

    @pytest.mark.parametrize("timestamp", ["", "soon", "nan", "inf", "-inf", "1e400", "9" * 400])
    async def test_what_is_no_time_is_refused(self, timestamp: str) -> None:
        assert not await Desk().holds(self.signature, post(self.body(timestamp=timestamp)))

    async def test_an_empty_nonce_is_none(self) -> None:
        assert not await Desk().holds(self.signature, post(self.body(token="")))


class TestOverTimestampAndBody:
    """As ZeptoMail does it: `ts=…;s=…;s-algorithm=HmacSHA256`."""

    signature = Signature(
        scheme=SignatureScheme.HMAC,
        secrets=(KEY,),
        encoding=SignatureEncoding.BASE64,
        signed=(
            SignaturePart(at="split(headers.\"producer-signature\", ';')[0] | strip(@, 'ts=')"),
            SignaturePart(body=True),
        ),
        signature='headers."producer-signature"',
        prefix="s=",
        separator=";",
        timestamp="split(headers.\"producer-signature\", ';')[0] | strip(@, 'ts=')",
    )

    def request(self, *, at: float = NOW, key: str = KEY) -> dict[str, str]:
        timestamp = str(int(at * 1000))
        given = base64_hmac(key.encode(), timestamp.encode() + BODY)
        return {"producer-signature": f"ts={timestamp};s={given};s-algorithm=HmacSHA256"}

    async def test_it_holds_with_a_time_in_milliseconds(self) -> None:
        assert await Desk().holds(self.signature, post(BODY, self.request()))

    async def test_neither_the_time_nor_the_body_can_be_changed(self) -> None:
        headers = self.request()
        later = headers["producer-signature"].replace("ts=1800000000000", "ts=1800000000001")
        desk = Desk()
        assert not await desk.holds(self.signature, post(BODY, {"producer-signature": later}))
        assert not await desk.holds(self.signature, post(BODY + b" ", headers))

    async def test_another_key_or_time_is_refused(self) -> None:
        desk = Desk()
        assert not await desk.holds(self.signature, post(BODY, self.request(key="other")))
        assert not await desk.holds(self.signature, post(BODY, self.request(at=NOW - 301)))

    async def test_without_parts_it_is_the_timestamp_and_the_body(self) -> None:
        usual = Signature(
            scheme=SignatureScheme.HMAC,
            secrets=(KEY,),
            signature="headers.signature",
            timestamp="headers.at",
        )
        headers = {"at": "1800000000", "signature": hex_hmac(KEY.encode(), b"1800000000" + BODY)}
        assert await Desk().holds(usual, post(BODY, headers))
        assert not await Desk().holds(usual, post(BODY, {**headers, **signed()}))


async def test_literals_stand_between_the_parts() -> None:
    signature = Signature(
        scheme=SignatureScheme.HMAC,
        secrets=(KEY,),
        signed=(
            SignaturePart(literal="v0:"),
            SignaturePart(at="headers.at"),
            SignaturePart(literal=":"),
            SignaturePart(body=True),
        ),
        signature="headers.signature",
    )
    given = hex_hmac(KEY.encode(), b"v0:17:" + BODY)
    desk = Desk()
    assert await desk.holds(signature, post(BODY, {"at": "17", "signature": given}))
    assert not await desk.holds(signature, post(BODY, {"signature": given}))


async def test_a_signature_in_the_query_or_in_a_form() -> None:
    in_query = Signature(scheme=SignatureScheme.HMAC, secrets=(KEY,), signature="query.sig")
    assert await Desk().holds(in_query, post(BODY, query={"sig": signed()["signature"]}))
    in_form = Signature(
        scheme=SignatureScheme.HMAC,
        secrets=(KEY,),
        signed=(SignaturePart(at="form.token"),),
        signature="form.signature",
    )
    body = b"token=a%20b&signature=" + hex_hmac(KEY.encode(), b"a b").encode()
    kind = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert await Desk().holds(in_form, post(body, kind))
    assert not await Desk().holds(in_form, post(body, {"content-type": "text/plain"}))
    parts = b"".join(
        b'--cut\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % field
        for field in ((b"token", b"a b"), (b"signature", hex_hmac(KEY.encode(), b"a b").encode()))
    )
    kind = {"content-type": "multipart/form-data; boundary=cut"}
    assert await Desk().holds(in_form, post(parts + b"--cut--\r\n", kind))


async def test_a_header_that_is_no_utf_8_is_signed_as_it_came() -> None:
    signature = Signature(
        scheme=SignatureScheme.HMAC,
        secrets=(KEY,),
        signed=(SignaturePart(at="headers.name"), SignaturePart(body=True)),
        signature="headers.signature",
    )
    name = b"Zo\xeb"
    headers = {
        "name": name.decode("utf-8", "surrogateescape"),
        "signature": hex_hmac(KEY.encode(), name + BODY),
    }
    assert await Desk().holds(signature, post(BODY, headers))


async def test_an_expression_that_is_none_lets_nobody_in() -> None:
    broken = Signature(scheme=SignatureScheme.HMAC, secrets=(KEY,), signature="headers.[")
    assert not await Desk().holds(broken, post(BODY, signed()))
