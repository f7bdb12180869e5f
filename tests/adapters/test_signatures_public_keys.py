import base64

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from adapters.signatures.faults import unreadable_keys
from domain.webhook_mapping import Digest, Signature, SignaturePart, SignatureScheme
from tests.adapters.signed_requests import NOW, Desk, as_base64, as_pem, post

BODY = b'[{"event":"delivered","email":"a@example.com"}]\r\n'
CURVE_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_CURVE_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

SIGNATURE_HEADER = "x-twilio-email-event-webhook-signature"
TIME_HEADER = "x-twilio-email-event-webhook-timestamp"
SENDGRID = Signature(
    scheme=SignatureScheme.ECDSA,
    secrets=(as_base64(CURVE_KEY.public_key()),),
    signed=(SignaturePart(at=f'headers."{TIME_HEADER}"'), SignaturePart(body=True)),
    signature=f'headers."{SIGNATURE_HEADER}"',
    timestamp=f'headers."{TIME_HEADER}"',
)


def sendgrid(
    *,
    key: ec.EllipticCurvePrivateKey = CURVE_KEY,
    at: float = NOW,
    body: bytes = BODY,
) -> dict[str, str]:
    timestamp = str(int(at))
    given = key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {SIGNATURE_HEADER: base64.b64encode(given).decode(), TIME_HEADER: timestamp}


class TestEcdsa:
    async def test_it_holds_over_the_timestamp_and_the_body(self) -> None:
        assert await Desk().holds(SENDGRID, post(BODY, sendgrid()))

    async def test_a_key_in_pem_is_as_good(self) -> None:
        pem = Signature(
            scheme=SignatureScheme.ECDSA,
            secrets=(as_pem(CURVE_KEY.public_key()),),
            header=SIGNATURE_HEADER,
            timestamp=f'headers."{TIME_HEADER}"',
        )
        assert await Desk().holds(pem, post(BODY, sendgrid()))

    async def test_another_key_body_or_time_is_refused(self) -> None:
        desk = Desk()
        assert not await desk.holds(SENDGRID, post(BODY, sendgrid(key=OTHER_CURVE_KEY)))
        # A line break more or less is another body.
        assert not await desk.holds(SENDGRID, post(BODY.strip(), sendgrid()))
        later = sendgrid() | {TIME_HEADER: str(int(NOW) + 1)}
        assert not await desk.holds(SENDGRID, post(BODY, later))

    async def test_what_is_too_old_is_refused(self) -> None:
        assert not await Desk().holds(SENDGRID, post(BODY, sendgrid(at=NOW - 301)))

    @pytest.mark.parametrize("given", ["", "AAAA", "!", "MEUCIQ==", "ü"])
    async def test_what_is_no_signature_is_refused(self, given: str) -> None:
        headers = sendgrid() | {SIGNATURE_HEADER: given}
        assert not await Desk().holds(SENDGRID, post(BODY, headers))

    async def test_headers_that_are_missing_are_no_signature(self) -> None:
        for name in (SIGNATURE_HEADER, TIME_HEADER):
            headers = {key: value for key, value in sendgrid().items() if key != name}
            assert not await Desk().holds(SENDGRID, post(BODY, headers))

    async def test_while_a_key_is_changed_both_hold(self) -> None:
        both = Signature(
            scheme=SignatureScheme.ECDSA,
            secrets=(as_base64(OTHER_CURVE_KEY.public_key()), as_base64(CURVE_KEY.public_key())),
            header=SIGNATURE_HEADER,
            timestamp=f'headers."{TIME_HEADER}"',
        )
        assert await Desk().holds(both, post(BODY, sendgrid()))
        assert await Desk().holds(both, post(BODY, sendgrid(key=OTHER_CURVE_KEY)))

    async def test_a_repeat_is_known_also_with_another_signature_of_the_same_text(self) -> None:
        """ECDSA signs each time anew, and of one signature anybody can make a second."""
        desk = Desk()
        verified = await desk.verify(SENDGRID, post(BODY, sendgrid()))
        assert verified is not None
        assert not verified.repeated
        await desk.verifier.remember(verified)
        again = await desk.verify(SENDGRID, post(BODY, sendgrid()))
        assert again is not None
        assert again.repeated


def postal(
    digest: hashes.HashAlgorithm, *, key: rsa.RSAPrivateKey = RSA_KEY, body: bytes = BODY
) -> dict[str, str]:
    given = key.sign(body, padding.PKCS1v15(), digest)
    return {"x-postal-signature": base64.b64encode(given).decode()}


def postal_signature(digest: Digest, *keys: str) -> Signature:
    return Signature(
        scheme=SignatureScheme.RSA,
        secrets=keys or (as_base64(RSA_KEY.public_key()),),
        digest=digest,
        header="X-Postal-Signature",
    )


class TestRsa:
    @pytest.mark.parametrize(
        ("digest", "algorithm"),
        [(Digest.SHA1, hashes.SHA1()), (Digest.SHA256, hashes.SHA256())],  # noqa: S303 - theirs.
    )
    async def test_it_holds_over_the_body(
        self, digest: Digest, algorithm: hashes.HashAlgorithm
    ) -> None:
        desk, headers = Desk(), postal(algorithm)
        assert await desk.holds(postal_signature(digest), post(BODY, headers))
        assert not await desk.holds(postal_signature(digest), post(BODY + b" ", headers))
        assert not await desk.holds(postal_signature(Digest.SHA512), post(BODY, headers))

    async def test_another_key_is_refused_unless_it_is_given_too(self) -> None:
        headers = postal(hashes.SHA256(), key=OTHER_RSA_KEY)
        assert not await Desk().holds(postal_signature(Digest.SHA256), post(BODY, headers))
        keys = as_pem(RSA_KEY.public_key()), as_pem(OTHER_RSA_KEY.public_key())
        assert await Desk().holds(postal_signature(Digest.SHA256, *keys), post(BODY, headers))

    async def test_a_key_of_another_kind_verifies_nothing(self) -> None:
        key = as_pem(CURVE_KEY.public_key())
        headers = postal(hashes.SHA256())
        assert not await Desk().holds(postal_signature(Digest.SHA256, key), post(BODY, headers))


@pytest.mark.parametrize("scheme", [SignatureScheme.ECDSA, SignatureScheme.RSA])
@pytest.mark.parametrize(
    "text",
    [
        "no key",
        "AAAA",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        "-----BEGIN",
        as_pem(ed25519.Ed25519PrivateKey.generate().public_key()),
        "ü",
    ],
)
def test_what_is_no_public_key_is_named(scheme: SignatureScheme, text: str) -> None:
    good = as_pem((CURVE_KEY if scheme is SignatureScheme.ECDSA else RSA_KEY).public_key())
    signature = Signature(scheme=scheme, secrets=(good, text), header="signature")
    (fault,) = unreadable_keys(signature)
    assert fault.field == "secrets[1]"
    assert "no public key" in fault.message
    assert text not in fault.message


def test_a_key_of_the_other_kind_is_named() -> None:
    key = as_pem(RSA_KEY.public_key())
    (fault,) = unreadable_keys(Signature(scheme=SignatureScheme.ECDSA, secrets=(key,)))
    assert "elliptic curve" in fault.message


def test_secrets_that_are_no_keys_are_left_to_other_rules() -> None:
    assert list(unreadable_keys(Signature(scheme=SignatureScheme.HMAC, secrets=("x",)))) == []
    assert list(unreadable_keys(Signature(scheme=SignatureScheme.RSA, secrets=("",)))) == []
