"""What expressions see of a request that nobody has vouched for yet.

It is parsed as far as an expression asks for it and no further; what cannot be parsed is null.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import parse_qsl

import orjson

from domain.callback import BadCallback
from domain.expressions import BadExpression, Expression, compile_expression
from domain.webhook_body import read_body
from domain.webhook_mapping import WebhookFormat
from domain.webhook_request import WebhookRequest

# Without any of these an expression looks at nothing that the body says.
_MARKS_OF_BODY = ("body", "form", "@", "*", "\\")
_FORM_TYPE = "application/x-www-form-urlencoded"
_MULTIPART_TYPE = "multipart/form-data"
# No ESP sends as many; each costs something before anything is believed.
_MOST_FIELDS = 1000


class Reading:
    """A request with its body as JSON and as a form."""

    def __init__(self, request: WebhookRequest) -> None:
        self.request = request

    def header(self, name: str) -> str | None:
        return self.request.headers.get(name.lower())

    @cached_property
    def json(self) -> Any:
        """The body, or None where it is no JSON."""
        try:
            return orjson.loads(self.request.body)
        except orjson.JSONDecodeError:
            return None

    @cached_property
    def fields(self) -> list[tuple[str, str]]:
        """Of a body that is form-urlencoded; bytes that are no UTF-8 are kept as surrogates."""
        if self._kind != _FORM_TYPE:
            return []
        body = self.request.body.decode("utf-8", "surrogateescape")
        try:
            return parse_qsl(
                body,
                keep_blank_values=True,
                errors="surrogateescape",
                max_num_fields=_MOST_FIELDS,
            )
        except ValueError:
            return []

    @cached_property
    def form(self) -> Mapping[str, str]:
        """The first of each field, also of a body that is multipart."""
        if self._kind not in (_FORM_TYPE, _MULTIPART_TYPE):
            return {}
        try:
            return read_body(self.request, WebhookFormat.FORM).form
        except BadCallback:
            return {}

    @cached_property
    def scope(self) -> Mapping[str, Any]:
        """See domain.webhook_mapping; whatever its format, a body is JSON as a whole or null."""
        return {**self.head, "form": dict(self.form), "body": self.json}

    @cached_property
    def head(self) -> Mapping[str, Any]:
        """The part of the scope for which the body need not be parsed."""
        return {
            "method": self.request.method,
            "headers": dict(self.request.headers),
            "query": dict(self.request.query),
        }

    def text(self, expression: str) -> str | None:
        """What the expression gives, as text; None for what is no text and no number."""
        return _text(self._search(expression))

    def texts(self, expression: str) -> Iterator[str]:
        """The same for one that may give a list; what is no text in it is passed over."""
        found = self._search(expression)
        for value in found if isinstance(found, list) else (found,):
            text = _text(value)
            if text is not None:
                yield text

    @property
    def _kind(self) -> str:
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    def _search(self, expression: str) -> Any:
        compiled = _compiled(expression)
        if compiled is None:
            return None
        needs_body = any(mark in expression for mark in _MARKS_OF_BODY)
        return compiled.search(self.scope if needs_body else self.head)


# The same few for every request.
@lru_cache(maxsize=256)
def _compiled(expression: str) -> Expression | None:
    """None for what is no expression: a rule refuses it before it is stored."""
    try:
        return compile_expression(expression)
    except BadExpression:
        return None


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None
