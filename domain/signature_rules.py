"""The rules for how a webhook is signed; public keys are read by whoever can (a port)."""

import base64
import math
import re
from collections.abc import Iterator

from domain.errors import Violation
from domain.expressions import expression_fault
from domain.header_syntax import is_name
from domain.http_rules import url_faults
from domain.webhook_mapping import Signature, SignaturePart, SignatureScheme

MAX_SECRETS = 10
MAX_SECRET_CHARACTERS = 8192
MAX_PARTS = 20
MAX_LISTED = 100
MAX_TEXT_CHARACTERS = 2048
# Older than a day is nothing that a clock could explain.
MAX_TOLERANCE_SECONDS = 86_400.0
_WITH_SIGNATURE = frozenset(
    {
        SignatureScheme.HMAC,
        SignatureScheme.ECDSA,
        SignatureScheme.RSA,
        SignatureScheme.HEADER_TOKEN,
    }
)
_WITHOUT_CREDENTIALS = (
    "holds credentials; leave them out, here and at the ESP: the token in the callback URL admits "
    "its callers already"
)
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?")
_WEBHOOK_SECRET = "whsec_"  # noqa: S105 - what such secrets begin with.


def signature_faults(signature: Signature) -> Iterator[Violation]:
    """Fields are relative to the signature: `secrets[0]`, `signed[1].at`."""
    yield from _secret_faults(signature)
    yield from _source_faults(signature)
    yield from _part_faults(signature.signed)
    for field in ("prefix", "separator"):
        if len(getattr(signature, field)) > MAX_TEXT_CHARACTERS:
            message = f"has more than {MAX_TEXT_CHARACTERS} characters"
            yield Violation(field=field, reason="TOO_LONG", message=message)
    for field in ("signature", "timestamp", "nonce"):
        yield from _expression_faults(field, getattr(signature, field))
    yield from _scheme_faults(signature)
    if not 0 < signature.tolerance_seconds <= MAX_TOLERANCE_SECONDS or math.isnan(
        signature.tolerance_seconds
    ):
        message = f"must be above 0 and at most {MAX_TOLERANCE_SECONDS:.0f} s"
        yield Violation(field="tolerance", reason="OUT_OF_RANGE", message=message)


def _secret_faults(signature: Signature) -> Iterator[Violation]:
    if signature.scheme is SignatureScheme.SNS:
        return
    if not signature.secrets:
        message = "is empty; give at least one, as the ESP shows it where its webhook is set up"
        yield Violation(field="secrets", reason="REQUIRED", message=message)
    if len(signature.secrets) > MAX_SECRETS:
        message = f"are {len(signature.secrets)}; {MAX_SECRETS} are allowed, remove the oldest"
        yield Violation(field="secrets", reason="TOO_MANY", message=message)
    for index, secret in enumerate(signature.secrets[:MAX_SECRETS]):
        fault = _secret_fault(signature.scheme, secret)
        if fault is not None:
            yield Violation(field=f"secrets[{index}]", reason="INVALID_SECRET", message=fault)


def _secret_fault(scheme: SignatureScheme, secret: str) -> str | None:
    if not secret:
        return "is empty, and anybody could sign with it; give the secret or leave the entry out"
    if len(secret) > MAX_SECRET_CHARACTERS:
        return f"has {len(secret)} characters; {MAX_SECRET_CHARACTERS} are allowed"
    if scheme is SignatureScheme.BASIC and not secret.partition(":")[0]:
        return "must be the user name, a colon and the password"
    if scheme is SignatureScheme.BASIC and ":" not in secret:
        return "has no colon between the user name and the password"
    if scheme is SignatureScheme.STANDARD_WEBHOOKS and not _is_base64(secret):
        return "is no such secret: they are whsec_ and base64"
    return None


def _is_base64(secret: str) -> bool:
    text = secret.strip().removeprefix(_WEBHOOK_SECRET).rstrip("=")
    text = text.replace("-", "+").replace("_", "/")
    try:
        return bool(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except ValueError:
        return False


def _source_faults(signature: Signature) -> Iterator[Violation]:
    if signature.scheme in _WITH_SIGNATURE and not signature.signature and not signature.header:
        message = "is missing; say where the signature stands, or name its header in `header`"
        yield Violation(field="signature", reason="REQUIRED", message=message)
    if signature.header and not is_name(signature.header):
        message = "is no name of a header"
        yield Violation(field="header", reason="INVALID_NAME", message=message)


def _part_faults(parts: tuple[SignaturePart, ...]) -> Iterator[Violation]:
    if len(parts) > MAX_PARTS:
        message = f"has {len(parts)} parts; {MAX_PARTS} are allowed"
        yield Violation(field="signed", reason="TOO_MANY", message=message)
    for index, part in enumerate(parts[:MAX_PARTS]):
        field = f"signed[{index}]"
        if [bool(part.literal), part.body, bool(part.at)].count(True) != 1:
            message = "must be one of literal, body and at"
            yield Violation(field=field, reason="ONE_OF", message=message)
        yield from _expression_faults(f"{field}.at", part.at)


def _expression_faults(field: str, expression: str) -> Iterator[Violation]:
    fault = expression_fault(expression) if expression else None
    if fault is not None:
        yield Violation(field=field, reason="INVALID_EXPRESSION", message=fault)


def _scheme_faults(signature: Signature) -> Iterator[Violation]:
    if signature.scheme is SignatureScheme.SNS and not signature.topics:
        message = "is empty; name the ARNs of your topics, since anybody may have one at SNS"
        yield Violation(field="topics", reason="REQUIRED", message=message)
    for field in ("topics", "certificate_hosts"):
        if len(getattr(signature, field)) > MAX_LISTED:
            message = f"has more than {MAX_LISTED} entries"
            yield Violation(field=field, reason="TOO_MANY", message=message)
    for index, host in enumerate(signature.certificate_hosts[:MAX_LISTED]):
        if _HOST.fullmatch(host) is None:
            message = "must be a host, or host:port, without https:// and a path"
            yield Violation(
                field=f"certificate_hosts[{index}]", reason="INVALID_HOST", message=message
            )
    for fault in url_faults(signature.url, fragment=False) if signature.url else ():
        # It is shown to whoever may read the provider.
        told = _WITHOUT_CREDENTIALS if "credentials" in fault else fault
        yield Violation(field="url", reason="INVALID_URL", message=told)
