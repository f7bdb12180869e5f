"""What a server of AWS does about a signature: it makes its own of what it received."""

import re
from datetime import UTC, datetime

from adapters.aws_signature import signed
from domain.http import HttpRequest
from domain.provider import AwsSignature
from tests.adapters.transport_server import Received


def signature_over(received: Received, keys: AwsSignature) -> str:
    """The Authorization that a request should have, by the headers that its signature names."""
    names = re.search(r"SignedHeaders=([^,]*)", received.header("Authorization") or "")
    assert names is not None, "the request is not signed"
    kept = [name for name in names[1].split(";") if name not in ("host", "x-amz-date")]
    method, target, _ = received.line.split(" ")
    again = HttpRequest(
        method=method,
        url=f"http://{received.header('Host')}{target}",
        headers=tuple((name, received.header(name) or "") for name in kept),
        body=received.body,
    )
    return dict(signed(again, keys, at=_signed_at(received)).headers)["Authorization"]


def _signed_at(received: Received) -> float:
    text = received.header("X-Amz-Date") or ""
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
