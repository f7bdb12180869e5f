"""The callback URL of a provider whose ESP has webhooks of its own form."""

import math
from collections.abc import Awaitable
from urllib.parse import parse_qsl

import orjson
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from domain.callback import BadCallback, Incomplete
from domain.errors import TryLater
from domain.provider import Provider
from domain.webhook_body import first_of_each
from domain.webhook_mapping import SignatureScheme, WebhookFormat, WebhookMapping
from domain.webhook_request import WebhookRequest
from entrypoints.backlog import Overloaded
from services.record_webhook import BadSignature, RecordWebhook

JSON = {"Content-Type": "application/json; charset=utf-8"}
# For what is a matter of moments; an ESP that is told to come again has its own idea of when.
OVERLOAD_RETRY_SECONDS = 2
_CHALLENGE = 'Basic realm="callbacks"'
_MAX_QUERY_FIELDS = 1_000


class Webhooks:
    """Answers as the ESP wants it: which status makes it come again, and which makes it stop.

    `public_base_url` is where callback URLs begin, since some signatures cover the URL.
    """

    def __init__(
        self, record: RecordWebhook, *, public_base_url: str, log: FilteringBoundLogger
    ) -> None:
        self._record = record
        self._public_base_url = public_base_url
        self._log = log

    async def take(
        self,
        provider: Provider,
        mapping: WebhookMapping,
        request: web.BaseRequest,
        arriving: Awaitable[bytes],
    ) -> web.StreamResponse:
        answers = mapping.answers
        try:
            said = _request(request, await arriving, self._public_base_url)
            answer = await self._record(provider, mapping, said)
        except BadSignature:
            return _bad_signature(mapping)
        except (Overloaded, Incomplete):
            # What stops an ESP's retries must not be said of a body that nobody has seen whole.
            return later(OVERLOAD_RETRY_SECONDS, answers.overloaded)
        except BadCallback as error:
            return _json(error.answer(), answers.malformed)
        except TryLater as error:
            self._log.warning("a callback could not be stored", exc_info=error)
            return later(max(1, math.ceil(error.retry_after_seconds)), answers.overloaded)
        return _json(answer, answers.success)

    async def without_body(
        self, provider: Provider, mapping: WebhookMapping, request: web.BaseRequest
    ) -> web.StreamResponse:
        """GET and HEAD: with format QUERY a GET with a query says something; else they only ask."""
        says = mapping.format is WebhookFormat.QUERY and "?" in request.raw_path
        if request.method == "GET" and says:
            return await self.take(provider, mapping, request, _nothing())
        return web.Response(body=b'{"status":"ok"}', headers=JSON)


def later(seconds: int, status: int = 503) -> web.Response:
    answer = _json({"error": "Not stored. Send the same request again later."}, status)
    answer.headers["Retry-After"] = str(seconds)
    return answer


async def _nothing() -> bytes:
    return b""


def _request(request: web.BaseRequest, body: bytes, public_base_url: str) -> WebhookRequest:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        name = name.lower()
        value = _text(value)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    path = _text(request.raw_path)
    _, _, query = path.partition("?")
    return WebhookRequest(
        method=request.method,
        url=public_base_url + path,
        headers=headers,
        query=_query(query) if query else {},
        body=body,
    )


def _query(query: str) -> dict[str, str]:
    """The first so many; a request line is too short for many more."""
    fields = query.split("&", _MAX_QUERY_FIELDS)[:_MAX_QUERY_FIELDS]
    return first_of_each(parse_qsl("&".join(fields), keep_blank_values=True))


def _text(value: str) -> str:
    """What was no UTF-8 comes as half characters, which nothing can store."""
    return (
        value
        if value.isascii()
        else value.encode(errors="surrogateescape").decode("utf-8", "replace")
    )


def _bad_signature(mapping: WebhookMapping) -> web.Response:
    status = mapping.answers.bad_signature
    answer = _json({"error": "The signature does not hold. Nothing was stored."}, status)
    if status == 401 and any(s.scheme is SignatureScheme.BASIC for s in mapping.signatures):
        answer.headers["WWW-Authenticate"] = _CHALLENGE
    return answer


def _json(answer: object, status: int) -> web.Response:
    if status in (204, 205):
        return web.Response(status=status)
    return web.Response(body=orjson.dumps(answer), status=status, headers=JSON)
