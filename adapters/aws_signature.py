"""AWS Signature Version 4, made with the AWS Common Runtime when a request is sent."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpHeaders
from awscrt.http import HttpRequest as CrtRequest

from domain.http import HttpRequest, check
from domain.provider import AwsSignature

_DEFAULT_PORTS = {"http": 80, "https": 443}


def signed(request: HttpRequest, keys: AwsSignature, *, at: float) -> HttpRequest:
    """The request with the headers of its signature, which holds for some minutes from `at` on.

    Raises ValueError for a request that HTTP cannot carry.
    """
    check(request)
    unsigned = CrtRequest(request.method, _target(request.url), HttpHeaders(_headers(request)))
    # Static keys need no thread and no wait: it is done when it comes back.
    done = aws_sign_request(unsigned, _config(request, keys, at)).result()
    return replace(request, headers=_without_host(done.headers), aws_signature=None)


def _config(request: HttpRequest, keys: AwsSignature, at: float) -> AwsSigningConfig:
    return AwsSigningConfig(
        algorithm=AwsSigningAlgorithm.V4,
        signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS,
        credentials_provider=AwsCredentialsProvider.new_static(
            keys.access_key_id, keys.secret_access_key
        ),
        region=keys.region,
        service=keys.service,
        date=datetime.fromtimestamp(at, UTC),
        signed_body_value=hashlib.sha256(request.body or b"").hexdigest(),
    )


def _headers(request: HttpRequest) -> list[tuple[str, str]]:
    return [("Host", _host(request.url)), *request.headers]


def _host(url: str) -> str:
    """As libcurl writes the header: with the port, unless it is the scheme's own."""
    split = urlsplit(url)
    host = split.netloc.removesuffix(f":{split.port}") if split.port else split.netloc.rstrip(":")
    is_default = split.port in (None, _DEFAULT_PORTS[split.scheme])
    return host if is_default else f"{host}:{split.port}"


def _target(url: str) -> str:
    """Path and query, as the first line of the request has them."""
    split = urlsplit(url)
    return f"{split.path or '/'}?{split.query}" if split.query else split.path or "/"


def _without_host(headers: HttpHeaders) -> tuple[tuple[str, str], ...]:
    """The transport writes it by itself."""
    return tuple((name, value) for name, value in headers if name.lower() != "host")
