"""The header that lets an ESP recognise a request that it has had before."""

from domain.chunk import OpenRequest
from domain.http import HttpRequest
from domain.message_id import MessageIds
from domain.provider import IdempotencyKey


def request_key(ids: MessageIds, campaign_number: int, request: OpenRequest) -> str:
    """The same for every repeat of a request, and for no other: not in another installation either.

    Two installations may send through one account of an ESP, and both have a campaign 1.
    """
    text = f"{campaign_number}:{request.provider_version}:{request.omitted}:{request.ordinals}"
    if request.predecessors:
        text += f":{request.predecessors}"
    return ids.digest(b"idempotency:" + text.encode()).hex()


def with_key(request: HttpRequest, header: IdempotencyKey, key: str) -> HttpRequest:
    """The request with `key` in the provider's header, or as it is where the ESP wants none."""
    if header.header_name is None:
        return request
    return HttpRequest(
        method=request.method,
        url=request.url,
        headers=(*request.headers, (header.header_name, key)),
        body=request.body,
        aws_signature=request.aws_signature,
    )
