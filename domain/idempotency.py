"""The header that lets an ESP recognise a request that it has had before."""

from dataclasses import replace

from domain.http import HttpRequest
from domain.provider import IdempotencyKey


def with_key(request: HttpRequest, header: IdempotencyKey, key: str) -> HttpRequest:
    """The request with `key` in the provider's header, or as it is where the ESP wants none."""
    if header.header_name is None:
        return request
    return replace(request, headers=(*request.headers, (header.header_name, key)))
