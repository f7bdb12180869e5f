"""How each ESP signs what it calls back, with keys of our own.

A signer makes a request of a body as the ESP would, at a time (epoch seconds), with the right key
or with another one.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from domain.webhook_request import WebhookRequest
from tests.adapters.signed_requests import as_base64, as_pem, base64_hmac, hex_hmac
from tests.presets.sample import URL, request_of

Sign: TypeAlias = Callable[[bytes, float, bool], WebhookRequest]
"""Takes a body, the time, and whether the key is the right one."""


@dataclass(frozen=True, slots=True)
class Signer:
    """What the preset is told of the key, and how the ESP signs with it.

    `is_dated` says that what was signed too long ago is refused.
    """

    settings: Mapping[str, str]
    sign: Sign
    is_dated: bool = False


_KEY, _OTHER = b"a-key-of-ours", b"another-key"
_LOGIN = "espalier:a-password"
_WHSEC = base64.b64encode(_KEY * 3).decode()


@lru_cache
def _curve_key(is_right: bool) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@lru_cache
def _rsa_key(is_right: bool) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def _sendgrid(body: bytes, now: float, is_right: bool) -> WebhookRequest:
    time = str(int(now))
    signature = _curve_key(is_right).sign(time.encode() + body, ec.ECDSA(hashes.SHA256()))
    return request_of(
        body,
        {
            "x-twilio-email-event-webhook-timestamp": time,
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
        },
    )


def _mailgun(body: bytes, now: float, is_right: bool) -> WebhookRequest:
    time, token = str(int(now)), "t" * 50
    signature = hex_hmac(_key(is_right), f"{time}{token}".encode())
    signed = {"timestamp": time, "token": token, "signature": signature}
    return request_of(json.dumps({"signature": signed, "event-data": json.loads(body)}).encode())


def _basic(body: bytes, now: float, is_right: bool) -> WebhookRequest:
    login = base64.b64encode((_LOGIN if is_right else "espalier:guessed").encode()).decode()
    return request_of(body, {"authorization": f"Basic {login}"})


def _bearer(body: bytes, now: float, is_right: bool) -> WebhookRequest:
    return request_of(body, {"authorization": f"Bearer {_key(is_right).decode()}"})


def _mandrill(body: bytes, now: float, is_right: bool) -> WebhookRequest:
    events = body.decode()
    signature = base64_hmac(_key(is_right), f"{URL}mandrill_events{events}".encode(), "sha1")
    return request_of(
        urlencode({"mandrill_events": events}).encode(),
        {"content-type": "application/x-www-form-urlencoded", "x-mandrill-signature": signature},
    )


def _resend(body: bytes, now: float, is_right: bool) -> WebhookRequest:
    time = str(int(now))
    key = base64.b64decode(_WHSEC) if is_right else _OTHER
    signature = base64_hmac(key, f"msg_1.{time}.".encode() + body)
    headers = {"id": "msg_1", "timestamp": time, "signature": f"v1,{signature}"}
    return request_of(body, {f"svix-{name}": value for name, value in headers.items()})


def _hex(header: str) -> Sign:
    def sign(body: bytes, now: float, is_right: bool) -> WebhookRequest:
        return request_of(body, {header: hex_hmac(_key(is_right), body)})

    return sign


def _postal(body: bytes, now: float, is_right: bool) -> WebhookRequest:
    signature = _rsa_key(is_right).sign(body, padding.PKCS1v15(), hashes.SHA256())
    return request_of(body, {"x-postal-signature-256": base64.b64encode(signature).decode()})


def _unisender(body: bytes, now: float, is_right: bool) -> WebhookRequest:
    key = _key(is_right).decode()
    said = {**json.loads(body), "auth": key}
    digest = hashlib.md5(json.dumps(said).encode(), usedforsecurity=False).hexdigest()
    return request_of(json.dumps({**said, "auth": digest}).encode())


def _zeptomail(body: bytes, now: float, is_right: bool) -> WebhookRequest:
    # They count in milliseconds.
    time = str(int(now * 1000))
    signature = base64_hmac(_key(is_right), time.encode() + body)
    header = f"ts={time};s={signature};s-algorithm=HmacSHA256"
    return request_of(body, {"producer-signature": header})


def _key(is_right: bool) -> bytes:
    return _KEY if is_right else _OTHER


_TEXT = _KEY.decode()
_SIGNERS: Mapping[str, Signer] = {
    "sendgrid": Signer(
        {"verification_key": as_base64(_curve_key(True).public_key())}, _sendgrid, True
    ),
    "mailgun": Signer({"signing_key": _TEXT}, _mailgun, True),
    "postmark": Signer({"webhook_login": _LOGIN}, _basic),
    "sparkpost": Signer({"webhook_login": _LOGIN}, _basic),
    "mailjet": Signer({"webhook_login": _LOGIN}, _basic),
    "brevo": Signer({"webhook_token": _TEXT}, _bearer),
    "mandrill": Signer({"webhook_key": _TEXT}, _mandrill),
    "resend": Signer({"webhook_secret": f"whsec_{_WHSEC}"}, _resend, True),
    "mailersend": Signer({"webhook_secret": _TEXT}, _hex("signature")),
    "mailtrap": Signer({"webhook_secret": _TEXT}, _hex("mailtrap-signature")),
    "postal": Signer({"webhook_public_key": as_pem(_rsa_key(True).public_key())}, _postal),
    "unisender-go": Signer({"api_key": _TEXT}, _unisender),
    "zeptomail": Signer({"webhook_key": _TEXT}, _zeptomail, True),
}
# They differ in what is sent.
_BULK = ("mandrill", "sparkpost", "unisender-go", "zeptomail")
SIGNERS: Mapping[str, Signer] = {**_SIGNERS, **{f"{name}-bulk": _SIGNERS[name] for name in _BULK}}
