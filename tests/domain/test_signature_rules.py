import base64
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from domain.signature_rules import signature_faults
from domain.webhook_mapping import Signature, SignaturePart, SignatureScheme

WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"twenty-four bytes of key").decode()
GOOD: Sequence[Signature] = (
    Signature(scheme=SignatureScheme.HMAC, secrets=("k",), signature="headers.signature"),
    Signature(
        scheme=SignatureScheme.HMAC,
        secrets=("k", "k2"),
        header="Signature",
        signed=(
            SignaturePart(literal="v0:"),
            SignaturePart(at="headers.at"),
            SignaturePart(body=True),
        ),
        timestamp="headers.at",
        nonce="body.id",
    ),
    Signature(scheme=SignatureScheme.STANDARD_WEBHOOKS, secrets=(WEBHOOK_SECRET,)),
    Signature(scheme=SignatureScheme.ECDSA, secrets=("key",), header="x-signature"),
    Signature(scheme=SignatureScheme.MANDRILL, secrets=("k",)),
    Signature(scheme=SignatureScheme.MANDRILL, secrets=("k",), url="https://example.com/x"),
    Signature(scheme=SignatureScheme.UNISENDER, secrets=("k",)),
    Signature(scheme=SignatureScheme.SNS, topics=("arn:aws:sns:eu-west-1:1:a",)),
    Signature(scheme=SignatureScheme.BASIC, secrets=("user:pass:word", "user:")),
    Signature(scheme=SignatureScheme.HEADER_TOKEN, secrets=("t",), header="X-Token"),
)
HMAC = GOOD[0]


@pytest.mark.parametrize("signature", GOOD)
def test_a_whole_signature_has_no_fault(signature: Signature) -> None:
    assert list(signature_faults(signature)) == []


@pytest.mark.parametrize(
    ("signature", "field", "reason"),
    [
        (replace(HMAC, secrets=()), "secrets", "REQUIRED"),
        (replace(HMAC, secrets=("k", "")), "secrets[1]", "INVALID_SECRET"),
        (replace(HMAC, signature=""), "signature", "REQUIRED"),
        (replace(HMAC, signature="headers.["), "signature", "INVALID_EXPRESSION"),
        (replace(HMAC, timestamp="1 +"), "timestamp", "INVALID_EXPRESSION"),
        (replace(HMAC, nonce="("), "nonce", "INVALID_EXPRESSION"),
        (replace(HMAC, header="a b"), "header", "INVALID_NAME"),
        (replace(HMAC, tolerance_seconds=0), "tolerance", "OUT_OF_RANGE"),
        (replace(HMAC, tolerance_seconds=math.nan), "tolerance", "OUT_OF_RANGE"),
        (replace(HMAC, tolerance_seconds=math.inf), "tolerance", "OUT_OF_RANGE"),
        (replace(HMAC, signed=(SignaturePart(),)), "signed[0]", "ONE_OF"),
        (replace(HMAC, signed=(SignaturePart(at="a", body=True),)), "signed[0]", "ONE_OF"),
        (replace(HMAC, signed=(SignaturePart(at="("),)), "signed[0].at", "INVALID_EXPRESSION"),
        (replace(GOOD[2], secrets=("whsec_!",)), "secrets[0]", "INVALID_SECRET"),
        (replace(GOOD[2], secrets=("whsec_",)), "secrets[0]", "INVALID_SECRET"),
        (replace(GOOD[5], url="example.com"), "url", "INVALID_URL"),
        (replace(GOOD[5], url="https://u:p@example.com/x"), "url", "INVALID_URL"),
        (replace(GOOD[7], topics=()), "topics", "REQUIRED"),
        (replace(GOOD[8], secrets=("user",)), "secrets[0]", "INVALID_SECRET"),
        (replace(GOOD[8], secrets=(":password",)), "secrets[0]", "INVALID_SECRET"),
        (replace(GOOD[9], header=""), "signature", "REQUIRED"),
        (replace(HMAC, secrets=("k",) * 11), "secrets", "TOO_MANY"),
        (replace(HMAC, secrets=("k" * 8193,)), "secrets[0]", "INVALID_SECRET"),
        (replace(HMAC, signed=(SignaturePart(body=True),) * 21), "signed", "TOO_MANY"),
        (replace(HMAC, prefix="p" * 2049), "prefix", "TOO_LONG"),
        (replace(GOOD[7], topics=("t",) * 101), "topics", "TOO_MANY"),
        (
            replace(GOOD[7], certificate_hosts=("a.example", "https://b.example")),
            "certificate_hosts[1]",
            "INVALID_HOST",
        ),
    ],
)
def test_a_fault_is_named_by_its_field(signature: Signature, field: str, reason: str) -> None:
    (fault,) = signature_faults(signature)
    assert (fault.field, fault.reason) == (field, reason)


def test_no_message_shows_a_secret() -> None:
    faulty = replace(GOOD[8], secrets=("a secret without its colon",))
    assert "a secret" not in "".join(fault.message for fault in signature_faults(faulty))
