"""AWS Signature Version 4: the signatures that AWS published, and what a server receives."""

from dataclasses import replace

import pytest

from adapters.aws_signature import signed
from adapters.curl import CurlOptions, CurlTransport
from adapters.signing_transport import SigningTransport
from domain.http import HttpRequest, HttpResponse, Landed
from domain.idempotency import with_key
from domain.provider import AwsSignature, IdempotencyKey
from tests.adapters.signed_by_aws import signature_over
from tests.adapters.transport_server import raw_server
from tests.fakes.clock import FakeClock
from tests.support import eventually

# The keys, the time and the host of the test suite that AWS publishes.
KEYS = AwsSignature(
    region="us-east-1",
    service="service",
    access_key_id="AKIDEXAMPLE",
    secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
)
AT = 1_440_938_160.0
HOST = "https://example.amazonaws.com"


def request(
    method: str, target: str, headers: tuple[tuple[str, str], ...] = (), body: bytes | None = None
) -> HttpRequest:
    return HttpRequest(method=method, url=HOST + target, headers=headers, body=body)


@pytest.mark.parametrize(
    ("wanted", "signature"),
    [
        (
            request("GET", "/"),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            request("GET", "/?Param2=value2&Param1=value1"),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            request("GET", "/", (("My-Header1", " value1"), ("My-Header2", '"a   b   c"'))),
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            request("POST", "/"),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            request("POST", "/", (("My-Header1", "value1"),)),
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
        (
            request("POST", "/?Param1=value1"),
            "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        ),
        (
            request(
                "POST",
                "/",
                (("Content-Type", "application/x-www-form-urlencoded"),),
                b"Param1=value1",
            ),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
)
def test_a_signature_is_the_one_that_was_published(wanted: HttpRequest, signature: str) -> None:
    made = dict(signed(wanted, KEYS, at=AT).headers)
    assert made["X-Amz-Date"] == "20150830T123600Z"
    assert made["Authorization"].endswith(f"Signature={signature}")


def test_nothing_of_the_request_changes_but_its_headers_and_the_key_stays_here() -> None:
    wanted = replace(request("POST", "/v2/emails?a=b%20c", body=b"{}"), aws_signature=KEYS)
    made = signed(wanted, KEYS, at=AT)
    assert (made.method, made.url, made.body) == (wanted.method, wanted.url, wanted.body)
    assert made.aws_signature is None
    assert KEYS.secret_access_key not in str(made.headers)
    assert KEYS.secret_access_key not in f"{KEYS!r} {wanted!r}"


def test_what_http_cannot_carry_is_refused_before_it_is_signed() -> None:
    with pytest.raises(ValueError, match="the value of header X-A holds"):
        signed(request("GET", "/", (("X-A", "a\r\nb"),)), KEYS, at=AT)


SENT = HttpRequest(
    method="POST",
    url="/v2/email/outbound%20emails?b=2&a=1%2B1",
    headers=(("Content-Type", "application/json"), ("X-Empty", ""), ("X-Wide", "a  b")),
    body='{"html":"<p>ä</p>"}'.encode(),
    aws_signature=KEYS,
)
KEYED = with_key(SENT, IdempotencyKey(), "k-1")


async def test_the_server_gets_what_was_signed_with_the_idempotency_key_among_it() -> None:
    async with raw_server() as server:
        transport = SigningTransport(
            CurlTransport(CurlOptions(user_agent="Espalier/1.2")), FakeClock(AT)
        )
        url = server.url().replace("/send", SENT.url)
        landed: list[Landed] = []
        answer = await transport.send(replace(KEYED, url=url), timeout_seconds=20)
        transport.start(replace(KEYED, url=url), timeout_seconds=20, landed=landed.append)
        await eventually(lambda: bool(landed))
        await transport.close()

    assert answer.status == 200
    assert isinstance(landed[0], HttpResponse)
    assert len(server.received) == 2
    for received in server.received:
        authorization = received.header("Authorization") or ""
        assert "SignedHeaders=content-type;host;idempotency-key;x-amz-date;" in authorization
        assert authorization == signature_over(received, KEYS)


async def test_a_request_without_keys_goes_out_as_it_is() -> None:
    async with raw_server() as server:
        transport = SigningTransport(CurlTransport(CurlOptions(user_agent="E/1")), FakeClock(AT))
        plain = HttpRequest(method="POST", url=server.url(), body=b"{}")
        await transport.send(plain, timeout_seconds=20)
        await transport.close()
    assert server.received[0].header("Authorization") is None
