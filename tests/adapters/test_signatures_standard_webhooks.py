import base64

import pytest

from domain.webhook_mapping import Signature, SignatureScheme
from tests.adapters.signed_requests import NOW, Desk, base64_hmac, post

RAW, NEW_RAW = b"a key of twenty-four byt", b"the next, as long as it."
BODY = '{"type":"email.sent","name":"Zoë"}'.encode()


def secret(raw: bytes = RAW) -> str:
    return "whsec_" + base64.b64encode(raw).decode()


def headers(
    *,
    name: str = "webhook",
    raw: bytes = RAW,
    at: float = NOW,
    body: bytes = BODY,
    others: str = "",
    identifier: str = "msg_1",
) -> dict[str, str]:
    signed = f"{identifier}.{int(at)}.".encode() + body
    return {
        f"{name}-id": identifier,
        f"{name}-timestamp": str(int(at)),
        f"{name}-signature": f"{others}v1,{base64_hmac(raw, signed)}",
    }


STANDARD = Signature(scheme=SignatureScheme.STANDARD_WEBHOOKS, secrets=(secret(),))


async def test_what_the_reference_implementation_signs_holds() -> None:
    """Made with the PyPI package standardwebhooks 1.1.0."""
    signature = Signature(
        scheme=SignatureScheme.STANDARD_WEBHOOKS,
        secrets=("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",),
    )
    given = {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1800000000",
        "webhook-signature": "v1,FgaFFvLWCp/n6MOz/6HOPm5We+uNBRazr6Krs8zyu2I=",
    }
    assert await Desk().holds(signature, post(BODY, given))


@pytest.mark.parametrize("name", ["webhook", "svix"])
async def test_both_families_of_headers_hold(name: str) -> None:
    assert await Desk().holds(STANDARD, post(BODY, headers(name=name)))


async def test_a_secret_without_its_prefix_or_padding_is_the_same() -> None:
    for written in (secret().removeprefix("whsec_"), secret(b"twelve bytes").rstrip("=")):
        signature = Signature(scheme=SignatureScheme.STANDARD_WEBHOOKS, secrets=(written,))
        raw = b"twelve bytes" if written.startswith("whsec_") else RAW
        assert await Desk().holds(signature, post(BODY, headers(raw=raw)))


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": "1800000001"},
        {"webhook-timestamp": "now"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1,!"},
        {"webhook-signature": headers()["webhook-signature"].replace("v1,", "v2,")},
        {"webhook-signature": headers()["webhook-signature"].replace("v1,", "")},
    ],
)
async def test_anything_else_is_refused(change: dict[str, str]) -> None:
    assert not await Desk().holds(STANDARD, post(BODY, headers() | change))


async def test_another_body_another_key_and_no_headers_are_refused() -> None:
    desk = Desk()
    assert not await desk.holds(STANDARD, post(BODY + b"\n", headers()))
    assert not await desk.holds(STANDARD, post(BODY, headers(raw=NEW_RAW)))
    assert not await desk.holds(STANDARD, post(BODY))


async def test_while_a_key_is_changed_one_of_several_signatures_has_to_hold() -> None:
    old = base64_hmac(NEW_RAW, b"another text")
    both = headers(others=f"v1a,{old} v1,{old} ")
    assert await Desk().holds(STANDARD, post(BODY, both))
    rotated = Signature(
        scheme=SignatureScheme.STANDARD_WEBHOOKS, secrets=(secret(), secret(NEW_RAW))
    )
    assert await Desk().holds(rotated, post(BODY, headers()))
    assert await Desk().holds(rotated, post(BODY, headers(raw=NEW_RAW)))


async def test_a_body_need_not_be_text() -> None:
    body = b"\xff\xfe\x00"
    assert await Desk().holds(STANDARD, post(body, headers(body=body)))


@pytest.mark.parametrize(
    ("seconds", "holds"), [(-301, False), (-299, True), (299, True), (301, False)]
)
async def test_five_minutes_either_way(seconds: int, holds: bool) -> None:
    assert await Desk().holds(STANDARD, post(BODY, headers(at=NOW + seconds))) is holds


async def test_a_repeat_under_a_new_timestamp_is_the_same_message() -> None:
    desk = Desk()
    verified = await desk.verify(STANDARD, post(BODY, headers()))
    assert verified is not None
    await desk.verifier.remember(verified)
    desk.clock.advance(60)
    again = await desk.verify(STANDARD, post(BODY, headers(at=NOW + 60)))
    assert again is not None
    assert again.repeated


async def test_another_body_under_the_same_id_is_refused() -> None:
    desk = Desk()
    verified = await desk.verify(STANDARD, post(BODY, headers()))
    assert verified is not None
    await desk.verifier.remember(verified)
    assert not await desk.holds(STANDARD, post(b"{}", headers(body=b"{}")))
