"""A request to a callback URL as it came, before anything in it is believed or read."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """Signatures are made over these very bytes, so nothing of them is normalised.

    `url` is the public one that the ESP calls, with its query. Names in `headers` are lower case;
    the values of a repeated header are joined by commas. `query` is decoded; of a repeated name the
    first counts. `body` is what the ESP signed: a Content-Encoding is undone and nothing else.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
