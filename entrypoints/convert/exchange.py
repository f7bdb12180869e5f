"""Requests to ESPs and what came back, as people see them."""

from domain.http import HttpRequest
from domain.masking import curl_command, mask_request
from domain.provider import ProviderConfig
from entrypoints.convert.times import to_duration
from espalier.v1 import common_pb2, provider_pb2
from services.send_test_email import TriedEmail


def to_http_request(request: HttpRequest, config: ProviderConfig) -> common_pb2.HttpRequest:
    """The request with the secrets of `config` masked, also where they are masked already."""
    masked = mask_request(request, config)
    return common_pb2.HttpRequest(
        method=masked.method,
        url=masked.url,
        headers=_to_headers(masked.headers),
        body=(masked.body or b"").decode(errors="replace"),
        curl=curl_command(masked),
    )


def to_exchange(tried: TriedEmail) -> provider_pb2.HttpExchange:
    return provider_pb2.HttpExchange(
        request=to_http_request(tried.request, tried.config),
        status_code=tried.status or 0,
        response_headers=_to_headers(tried.headers),
        response_body=tried.body,
        response_body_truncated=tried.truncated,
        elapsed=to_duration(tried.elapsed_seconds),
        transport_error=tried.transport_error,
    )


def to_tried_email(tried: TriedEmail) -> provider_pb2.SendTestEmailResponse:
    return provider_pb2.SendTestEmailResponse(
        exchange=to_exchange(tried), message_id=tried.message_id, accepted=tried.accepted
    )


def _to_headers(headers: tuple[tuple[str, str], ...]) -> list[common_pb2.HttpHeader]:
    return [common_pb2.HttpHeader(name=name, value=value) for name, value in headers]
