"""Small campaigns and providers for the tests of rendering."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from domain.campaign import Content, JsonValue, Recipient
from domain.provider import Batch, Header, ProviderConfig, QueryParameter, RequestType
from domain.rendering import Message, Rejection, RenderedRequest, Renderer

SAMPLES = Path(__file__).parent / "samples"

CONTENT = Content(
    subject="Your 20% Discount Awaits!",
    from_name="Acme Deals",
    from_address="deals@acmestore.com",
    html="<html><body>Hello $$name, enjoy your exclusive 20% discount today!</body></html>",
)


def provider(
    parameters: str = "",
    *,
    batch: Batch | None = None,
    headers: Mapping[str, str] | None = None,
    **changes: Any,
) -> ProviderConfig:
    given = {"nickname": "acme", "http_endpoint": "https://api.example.com/send", **changes}
    return ProviderConfig(
        request_type=RequestType.POST,
        parameters=parameters,
        batch=batch,
        headers=tuple(Header(name=name, value=value) for name, value in (headers or {}).items()),
        **given,
    )


def query_provider(query: Sequence[tuple[str, str]], **changes: Any) -> ProviderConfig:
    given = {"nickname": "acme", "http_endpoint": "https://api.example.com/send", **changes}
    return ProviderConfig(
        request_type=RequestType.GET,
        query_parameters=tuple(QueryParameter(name=name, value=value) for name, value in query),
        **given,
    )


def renderer(config: ProviderConfig, content: Content = CONTENT) -> Renderer:
    return Renderer(config, content, campaign_id="c-7", message_ids=message_ids)


def message_ids(ordinals: Sequence[int]) -> list[str]:
    return [f"mid-{ordinal}" for ordinal in ordinals]


def person(ordinal: int, name: str = "", **replacements: JsonValue) -> Message:
    return ordinal, Recipient(f"p{ordinal}@example.com", name, replacements)


def rendered(outcomes: "Sequence[RenderedRequest | Rejection]") -> list[RenderedRequest]:
    """The requests, where nothing may be rejected."""
    assert [outcome for outcome in outcomes if isinstance(outcome, Rejection)] == []
    return [outcome for outcome in outcomes if isinstance(outcome, RenderedRequest)]


def requests(
    config: ProviderConfig, messages: Sequence[Message], content: Content = CONTENT, **copies: Any
) -> list[RenderedRequest]:
    return rendered(list(renderer(config, content).render(messages, **copies)))


def payloads(
    config: ProviderConfig, messages: Sequence[Message], content: Content = CONTENT, **copies: Any
) -> list[Any]:
    """What the bodies parse to."""
    return [payload(request) for request in requests(config, messages, content, **copies)]


def payload(rendered_request: RenderedRequest) -> Any:
    body = rendered_request.request.body
    assert body is not None
    return json.loads(body)
